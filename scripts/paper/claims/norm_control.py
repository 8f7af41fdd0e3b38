# SPDX-License-Identifier: Apache-2.0
"""Is it normalizing W or normalizing B that helps? An experiment that the paper does not have."""

from claim import claim, part
from claims.common import LAYERS, at_end
from results import mean

FIGURE = "norm_control"


def angles(r, condition):
    """Of W with B^T at the end, averaged over the layers."""
    return mean(at_end(r, "angle_w_b", condition, l) for l in LAYERS)


@claim(FIGURE, "1", "limiting norm of weights can even improve alignment",
       "normalizing W alone lowers the last angle of W with B^T, averaged over the layers, and the last test error; what "
       "normalizing B alone and both give is shown")
def normalizing_w_helps(r):
    gains = [("angle", lambda c: angles(r, "neither") - angles(r, c), {}),
             ("error", lambda c: at_end(r, "test_error", "neither") - at_end(r, "test_error", c), {"unit": " %"})]
    judged = [part(f"{what}, W alone", gain("only-w"), at_least=0, **unit) for what, gain, unit in gains]
    return judged + [part(f"{what}, {name}", gain(c), **unit) for what, gain, unit in gains
                     for c, name in (("only-b", "B alone"), ("w-and-b", "W and B"))]


@claim(FIGURE, "2.3.8", "To treat all weights in the same way, we also applied this WN method to the fixed random "
       "backward weight at the beginning of the learning process",
       "B acts by its size alone: with the columns of B scaled to 0.7, which is the size that they are drawn with, the "
       "last angle, averaged over the layers, changes by less than 1.5, and the last test error by less than 1.5 %")
def b_acts_by_its_size(r):
    return [part("angle", angles(r, "only-b-0.7") - angles(r, "neither"), at_least=-1.5, at_most=1.5),
            part("error", at_end(r, "test_error", "only-b-0.7") - at_end(r, "test_error", "neither"), at_least=-1.5,
                 at_most=1.5, unit=" %")]
