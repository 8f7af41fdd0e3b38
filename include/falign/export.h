/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_EXPORT_H
#define FALIGN_EXPORT_H

/** @file export.h
 *  @brief Linkage macros shared by every header. */

#ifdef __cplusplus
#define FALIGN_BEGIN extern "C" {
#define FALIGN_END }
#else
/** Opens the declarations of a header: C linkage in C++. */
#define FALIGN_BEGIN
/** Closes what FALIGN_BEGIN has opened. */
#define FALIGN_END
#endif

/** Marks a symbol of the public interface. */
#if defined(_WIN32)
#if defined(FALIGN_BUILD)
#define FALIGN_API __declspec(dllexport)
#else
#define FALIGN_API
#endif
#elif defined(__GNUC__)
#define FALIGN_API __attribute__((visibility("default")))
#else
#define FALIGN_API
#endif

/** Asks the compiler to warn when a returned status is dropped. */
#if defined(__GNUC__)
#define FALIGN_CHECKED __attribute__((warn_unused_result))
#else
#define FALIGN_CHECKED
#endif

/** Makes the compiler warn where the declaration that follows is used; the message says since when, and what to use. */
#if defined(__GNUC__)
#define FALIGN_DEPRECATED(message) __attribute__((deprecated(message)))
#elif defined(_MSC_VER)
#define FALIGN_DEPRECATED(message) __declspec(deprecated(message))
#else
#define FALIGN_DEPRECATED(message)
#endif

#endif
