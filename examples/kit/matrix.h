/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_MATRIX_H
#define KIT_MATRIX_H

/* What programs need more than once of networks and matrices. */

#include "errors.h"

/* Sets the built-in activation of this name in all layers of a network. */
falign_status network_activate(falign_network *network, const char *name);

/* Copies a matrix in single precision to a contiguous row-major array. */
void view_copy_f32(const falign_view *from, float *to);

#endif
