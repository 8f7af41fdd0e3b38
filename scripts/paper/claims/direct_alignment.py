# SPDX-License-Identifier: Apache-2.0
"""Direct feedback alignment, which the paper leaves to future work."""

from claim import claim, part
from claims.common import CHANCE, at_end, by_layer

FIGURE = "direct_alignment"
CONDITIONS = ("equal", "narrow")
HIDDEN = (1, 2, 3)  # in the last layer all targets are the same


@claim(FIGURE, "2.1", "aligns with F_ℓ^T", f"the last angle of W[l] W[l+1] ... W[d-1] with F[l]^T is at most {CHANCE} in "
       "each layer, in the paper's network and in one with a narrow last hidden layer")
def products_align_with_f(r):
    return [part(f"{c}, l = {l}", at_end(r, "angle_w_f", c, l), at_most=CHANCE) for c in CONDITIONS for l in (*HIDDEN, 4)]


@claim(FIGURE, "2.1", "the alignment of each W_ℓ with Q_ℓ^T", f"the paper's network: the last angle of W[l] with Q[l]^T is "
       f"at most {CHANCE} for l = 1 to 3", reproduces=False,
       note="all F[l] are 50 x 50 and of full rank, so that Q[l] is the inverse of F[l+1] times F[l], which the smallest "
       "singular value of F[l+1] dominates. W[l] aligns with F[l]^T F[l+1] in its place")
def weights_align_with_q(r):
    return by_layer(lambda l: at_end(r, "angle_w_q", "equal", l), HIDDEN, at_most=CHANCE)


@claim(FIGURE, "2.1", "we leave further investigation of DFA and its general condition (like when F_ℓ^⊥ is not "
       "negligible) to future works", f"the last angle of W[l] with F[l]^T F[l+1] is at most {CHANCE} for l = 1 to 3, in the "
       "paper's network, where F_perp is 0, and with a narrow last hidden layer, where its share is a half or more")
def weights_align_with_products_of_f(r):
    shares = [part(f"share of F_perp, {c}, l = 1", r.values("share_f_perp", c, 1), unit="", digits=3, **limits)
              for c, limits in zip(CONDITIONS, ({"at_most": 1e-6}, {"at_least": 0.5}))]
    return shares + [part(f"{c}, l = {l}", at_end(r, "angle_w_ff", c, l), at_most=CHANCE) for c in CONDITIONS
                     for l in HIDDEN]
