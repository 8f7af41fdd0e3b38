/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_REAL_H
#define FAL_REAL_H

/* Files that include this are compiled twice, once with FAL_REAL_F32 and once with FAL_REAL_F64. They write `real`
 * for the type and REAL(name) for a name that differs between the two: name_f32, name_f64. */

#if defined(FAL_REAL_F32)
typedef float real;
#define REAL(name) name##_f32
#define REAL_PRECISION FALIGN_F32
#elif defined(FAL_REAL_F64)
typedef double real;
#define REAL(name) name##_f64
#define REAL_PRECISION FALIGN_F64
#else
#error "compile with FAL_REAL_F32 or FAL_REAL_F64"
#endif

#endif
