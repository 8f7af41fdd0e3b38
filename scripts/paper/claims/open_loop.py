# SPDX-License-Identifier: Apache-2.0
"""Fig. 1B: imposed signals."""

from claim import claim, part
from claims.common import CHANCE


def open_loop_angle(r, condition):
    return r.values("angle_w_b", condition, 1)


@claim("open_loop", "2.1", "alignment happens (Fig. 1B, dashed blue trace)",
       f"signals constant: the last angle of W[1] with B[1]^T is at most {CHANCE}, which chance is not")
def constant_signals_align(r):
    return [part("", open_loop_angle(r, "constant"), at_most=CHANCE)]


@claim("open_loop", "2.1", "error and output signals of neurons are white noise and unautocorrelated but they are "
       "cross-correlated and alignment happens", f"signals renewed, delta[2] = L[0]: last angle at most {CHANCE}")
def crosscorrelated_signals_align(r):
    return [part("", open_loop_angle(r, "crosscorrelated"), at_most=CHANCE)]


@claim("open_loop", "2.1", "error and output signals of neurons are neither autocorrelated nor cross-correlated and "
       "alignment does not happen", "both signals renewed: the last angle is within 2 of 90, about four standard "
       "errors of ten runs")
def independent_signals_do_not_align(r):
    return [part("", open_loop_angle(r, "independent"), at_least=88, at_most=92)]


@claim("open_loop", "1", "occurrence of alignment does not rely on reduction of loss function; rather, it is governed "
       "by statistical properties of neural activity",
       "there is no loss here, and the kinds of signals alone set the last angles 10 apart or more")
def signals_alone_decide(r):
    independent = open_loop_angle(r, "independent")
    return [part(f"independent less {name}", independent - open_loop_angle(r, name), at_least=10)
            for name in ("constant", "crosscorrelated")]
