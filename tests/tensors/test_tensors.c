/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <float.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "files.h"

/* ---- The set in memory ---- */

static falign_tensors *new_set(void) {
  falign_tensors *tensors;
  ok(falign_tensors_create(&tensors));
  return tensors;
}

START_TEST(keeps_order_and_values) {
  falign_tensors *set = new_set();
  const size_t dims[] = {2, 3};
  const double values[] = {1, 2, 3, 4, 5, 6};
  ck_assert_uint_eq(falign_tensors_count(set), 0);
  ck_assert_int_eq(falign_tensors_has(set, "a"), 0);
  ok(falign_tensors_add(set, "b", FALIGN_DTYPE_F64, dims, 2, values));
  ok(falign_tensors_add(set, "a", FALIGN_DTYPE_U8, NULL, 0, "x"));
  falign_tensor first, now;
  ok(falign_tensors_view(set, "b", &first));
  for (int i = 0; i < 1000; i++) { /* growth must not move what was viewed */
    char name[16];
    snprintf(name, sizeof name, "t%d", i);
    ok(falign_tensors_add(set, name, FALIGN_DTYPE_U8, NULL, 0, "y"));
  }
  ck_assert_uint_eq(falign_tensors_count(set), 1002);
  ck_assert_str_eq(falign_tensors_name_at(set, 0), "b");
  ck_assert_str_eq(falign_tensors_name_at(set, 1), "a");
  ck_assert_str_eq(falign_tensors_name_at(set, 1001), "t999");
  ck_assert_ptr_null(falign_tensors_name_at(set, 1002));
  ck_assert_int_eq(falign_tensors_has(set, "t500"), 1);
  ok(falign_tensors_view(set, "b", &now));
  ck_assert_int_eq(now.dtype, FALIGN_DTYPE_F64);
  ck_assert_uint_eq(now.rank, 2);
  ck_assert_ptr_eq(now.dims, first.dims);
  ck_assert_ptr_eq(now.data, first.data);
  ck_assert_mem_eq(now.dims, dims, sizeof dims);
  ck_assert_mem_eq(now.data, values, sizeof values);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(refuses_bad_tensors) {
  falign_tensors *set = new_set();
  const size_t one[] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[] = {SIZE_MAX / 2, 3}, wide[] = {SIZE_MAX / 4},
               empty[] = {3, 0};
  const double x = 1;
  ok(falign_tensors_add(set, "x", FALIGN_DTYPE_F64, one, 8, &x));
  ok(falign_tensors_add(set, "empty", FALIGN_DTYPE_F64, empty, 2, NULL));
  fails(FALIGN_INVALID, "\"x\" already exists", falign_tensors_add(set, "x", FALIGN_DTYPE_F64, one, 1, &x));
  fails(FALIGN_INVALID, "a tensor cannot have the name \"\"",
        falign_tensors_add(set, "", FALIGN_DTYPE_F64, one, 1, &x));
  fails(FALIGN_INVALID, "__metadata__", falign_tensors_add(set, "__metadata__", FALIGN_DTYPE_F64, one, 1, &x));
  fails(FALIGN_INVALID, "dtype 5", falign_tensors_add(set, "y", 5, one, 1, &x));
  fails(FALIGN_INVALID, "rank 9", falign_tensors_add(set, "y", FALIGN_DTYPE_F64, one, 9, &x));
  fails(FALIGN_MEMORY, "no memory for tensor \"y\"", falign_tensors_add(set, "y", FALIGN_DTYPE_F64, huge, 2, &x));
  fails(FALIGN_MEMORY, "no memory for tensor \"y\"", falign_tensors_add(set, "y", FALIGN_DTYPE_F64, wide, 1, &x));
  fails(FALIGN_INVALID, "dims is NULL", falign_tensors_add(set, "y", FALIGN_DTYPE_F64, NULL, 1, &x));
  fails(FALIGN_INVALID, "data is NULL", falign_tensors_add(set, "y", FALIGN_DTYPE_F64, one, 1, NULL));
  fails(FALIGN_INVALID, "name is NULL", falign_tensors_add(set, NULL, FALIGN_DTYPE_F64, one, 1, &x));
  fails(FALIGN_INVALID, "tensors is NULL", falign_tensors_add(NULL, "y", FALIGN_DTYPE_F64, one, 1, &x));
  fails(FALIGN_INVALID, "out is NULL", falign_tensors_create(NULL));
  falign_tensor tensor = {.rank = 42};
  fails(FALIGN_INVALID, "no tensor \"y\"", falign_tensors_view(set, "y", &tensor));
  fails(FALIGN_INVALID, "tensors is NULL", falign_tensors_view(NULL, "y", &tensor));
  fails(FALIGN_INVALID, "name is NULL", falign_tensors_view(set, NULL, &tensor));
  fails(FALIGN_INVALID, "out is NULL", falign_tensors_view(set, "x", NULL));
  ck_assert_uint_eq(tensor.rank, 42);
  ck_assert_uint_eq(falign_tensors_count(set), 2);
  falign_tensors_destroy(set);
  falign_tensors_destroy(NULL);
}
END_TEST

START_TEST(converts_between_precisions) {
  falign_tensors *set = new_set();
  const size_t dims[] = {3};
  const float singles[] = {0.1f, -0.0f, FLT_MAX};
  const double doubles[] = {0.1, DBL_MIN, -2.5};
  ok(falign_tensors_add(set, "f", FALIGN_DTYPE_F32, dims, 1, singles));
  ok(falign_tensors_add(set, "d", FALIGN_DTYPE_F64, dims, 1, doubles));
  float f[3];
  double d[3];
  ok(falign_tensors_get(set, "f", WRITE_F32(f, 1, 3, 3)));
  ck_assert_mem_eq(f, singles, sizeof f);
  ok(falign_tensors_get(set, "d", WRITE_F64(d, 1, 3, 3)));
  ck_assert_mem_eq(d, doubles, sizeof d);
  ok(falign_tensors_get(set, "f", WRITE_F64(d, 1, 3, 3)));
  ck_assert(d[0] == (double)0.1f && d[2] == (double)FLT_MAX);
  ok(falign_tensors_get(set, "d", WRITE_F32(f, 1, 3, 3)));
  ck_assert(f[0] == 0.1f && f[1] == 0 && f[2] == -2.5f);
  falign_tensors_destroy(set);
}
END_TEST

/* Two dimensions, one and none go to matrices of any layout and precision. */
START_TEST(any_steps) {
  falign_tensors *set = new_set();
  const size_t matrix[] = {3, 4}, row[] = {12}, one[] = {1, 12};
  double numbers[12];
  float singles[12];
  static layout_room room;
  for (int i = 0; i < 12; i++) numbers[i] = singles[i] = (float)(0.1 * i - 0.5);
  ok(falign_tensors_add(set, "matrix", FALIGN_DTYPE_F64, matrix, 2, numbers));
  ok(falign_tensors_add(set, "matrix of singles", FALIGN_DTYPE_F32, matrix, 2, singles));
  ok(falign_tensors_add(set, "vector", FALIGN_DTYPE_F64, row, 1, numbers));
  ok(falign_tensors_add(set, "row", FALIGN_DTYPE_F64, one, 2, numbers));
  ok(falign_tensors_add(set, "number", FALIGN_DTYPE_F64, NULL, 0, numbers));
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    const char *const names[] = {"matrix", "matrix of singles", "vector", "row", "number"};
    for (size_t i = 0; i < 5; i++) {
      size_t rows = i < 2 ? 3 : 1, cols = i < 2 ? 4 : i < 4 ? 12 : 1;
      falign_matrix to = lay_out(&room, choice / 2, precision, rows, cols, 42);
      ok(falign_tensors_get(set, names[i], &to));
      ck_assert(holds(&room, &to, 42, numbers));
    }
  }
  double d[12] = {42};
  fails(FALIGN_SHAPE, "\"vector\" is [12], not [12, 1]", falign_tensors_get(set, "vector", WRITE_F64(d, 12, 1, 1)));
  fails(FALIGN_SHAPE, "\"vector\" is [12], not [3, 4]", falign_tensors_get(set, "vector", WRITE_F64(d, 3, 4, 4)));
  fails(FALIGN_SHAPE, "\"matrix\" is [3, 4], not [4, 3]", falign_tensors_get(set, "matrix", WRITE_F64(d, 4, 3, 3)));
  fails(FALIGN_SHAPE, "\"matrix\" is [3, 4], not [1, 12]", falign_tensors_get(set, "matrix", WRITE_F64(d, 1, 12, 12)));
  fails(FALIGN_SHAPE, "\"number\" is [], not [1, 2]", falign_tensors_get(set, "number", WRITE_F64(d, 1, 2, 2)));
  ck_assert(d[0] == 42);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(refuses_to_convert) {
  falign_tensors *set = new_set();
  const size_t dims[] = {3}, matrix[] = {1, 3};
  const float infinite[] = {0, INFINITY, 0};
  const double nan[] = {0, 0, NAN}, large[] = {1, 1e39, 1};
  const int64_t integers[] = {1, 2, 3};
  ok(falign_tensors_add(set, "inf", FALIGN_DTYPE_F32, dims, 1, infinite));
  ok(falign_tensors_add(set, "nan", FALIGN_DTYPE_F64, dims, 1, nan));
  ok(falign_tensors_add(set, "large", FALIGN_DTYPE_F64, dims, 1, large));
  ok(falign_tensors_add(set, "int", FALIGN_DTYPE_I64, dims, 1, integers));
  ok(falign_tensors_add(set, "matrix", FALIGN_DTYPE_F64, matrix, 2, large));
  float f[3] = {7, 7, 7};
  double d[3];
  fails(FALIGN_INVALID, "\"inf\" has inf at index 1", falign_tensors_get(set, "inf", WRITE_F32(f, 1, 3, 3)));
  fails(FALIGN_INVALID, "\"inf\" has inf at index 1", falign_tensors_get(set, "inf", WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_INVALID, "at index 2", falign_tensors_get(set, "nan", WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_INVALID, "at index 1, too large", falign_tensors_get(set, "large", WRITE_F32(f, 1, 3, 3)));
  ok(falign_tensors_get(set, "large", WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_FORMAT, "\"int\" holds integers, not reals", falign_tensors_get(set, "int", WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_INVALID, "no tensor \"no\"", falign_tensors_get(set, "no", WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_SHAPE, "\"large\" is [3], not [3, 1]", falign_tensors_get(set, "large", WRITE_F64(d, 3, 1, 1)));
  fails(FALIGN_SHAPE, "\"large\" is [3], not [2]", falign_tensors_get(set, "large", WRITE_F64(d, 1, 2, 2)));
  fails(FALIGN_SHAPE, "\"large\" is [3], not [1]", falign_tensors_get(set, "large", WRITE_F64(d, 1, 1, 1)));
  fails(FALIGN_SHAPE, "\"matrix\" is [1, 3], not [1, 2]", falign_tensors_get(set, "matrix", WRITE_F64(d, 1, 2, 2)));
  fails(FALIGN_INVALID, "out is NULL", falign_tensors_get(set, "large", WRITE_F64(NULL, 1, 3, 3)));
  fails(FALIGN_INVALID, "out is NULL", falign_tensors_get(set, "large", NULL));
  fails(FALIGN_INVALID, "out is 2 x 3 with invalid steps: 1 from row to row, 1 from column to column",
        falign_tensors_get(set, "large", WRITE_F64(d, 2, 3, 1)));
  fails(FALIGN_INVALID, "name is NULL", falign_tensors_get(set, NULL, WRITE_F64(d, 1, 3, 3)));
  fails(FALIGN_INVALID, "tensors is NULL", falign_tensors_get(NULL, "large", WRITE_F64(d, 1, 3, 3)));
  for (int i = 0; i < 3; i++) ck_assert(f[i] == 7);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(keeps_notes) {
  falign_tensors *set = new_set();
  ck_assert_ptr_null(falign_tensors_note(set, "a"));
  ok(falign_tensors_set_note(set, "a", "1"));
  ok(falign_tensors_set_note(set, "b", ""));
  ok(falign_tensors_set_note(set, "a", "two"));
  ck_assert_str_eq(falign_tensors_note(set, "a"), "two");
  ck_assert_str_eq(falign_tensors_note(set, "b"), "");
  fails(FALIGN_INVALID, "text is NULL", falign_tensors_set_note(set, "a", NULL));
  fails(FALIGN_INVALID, "name is NULL", falign_tensors_set_note(set, NULL, "x"));
  falign_tensors_destroy(set);
}
END_TEST

/* ---- Files ---- */

/* Written by hand: 88 + 7 blanks of header, then 1.0f, -2.5f. */
static const char known_header[] =
    "{\"__metadata__\":{\"k\":\"v\"},\"W.0\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}";
static const unsigned char known_data[] = {0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0};

/* A file of the header's length, the header and the data; returns its size. */
static size_t build(unsigned char *file, const void *header, size_t length, const void *data, size_t size) {
  for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)length >> 8 * i);
  memcpy(file + 8, header, length);
  if (size > 0) memcpy(file + 8 + length, data, size);
  return 8 + length + size;
}

static falign_tensors *known_set(void) {
  falign_tensors *set = new_set();
  ok(falign_tensors_add(set, "W.0", FALIGN_DTYPE_F32, (const size_t[]){2, 1}, 2, (const float[]){1, -2.5f}));
  ok(falign_tensors_set_note(set, "k", "v"));
  return set;
}

START_TEST(writes_the_known_bytes) {
  unsigned char want[256];
  char header[96];
  size_t length = sizeof known_header - 1, padded = (length + 7) / 8 * 8;
  memset(header, ' ', sizeof header);
  memcpy(header, known_header, length);
  size_t want_size = build(want, header, padded, known_data, sizeof known_data);
  falign_tensors *set = known_set();
  ok(falign_tensors_write(set, at("x")));
  size_t size;
  const char *got = slurp(at("x"), &size);
  ck_assert_uint_eq(size, want_size);
  ck_assert_mem_eq(got, want, size);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(reads_the_known_bytes) {
  unsigned char file[256];
  spill(at("x"), file, build(file, known_header, sizeof known_header - 1, known_data, sizeof known_data));
  falign_tensors *set;
  ok(falign_tensors_read(at("x"), &set));
  ck_assert_uint_eq(falign_tensors_count(set), 1);
  ck_assert_str_eq(falign_tensors_note(set, "k"), "v");
  float values[2];
  ok(falign_tensors_get(set, "W.0", WRITE_F32(values, 2, 1, 1)));
  ck_assert(values[0] == 1 && values[1] == -2.5f);
  falign_tensors_destroy(set);
}
END_TEST

static void same_tensor(const falign_tensors *a, const falign_tensors *b, const char *name, size_t bytes) {
  falign_tensor of_a, of_b;
  ok(falign_tensors_view(a, name, &of_a));
  ok(falign_tensors_view(b, name, &of_b));
  ck_assert_int_eq(of_a.dtype, of_b.dtype);
  ck_assert_uint_eq(of_a.rank, of_b.rank);
  ck_assert_mem_eq(of_a.dims, of_b.dims, of_a.rank * sizeof(size_t));
  ck_assert_mem_eq(of_a.data, of_b.data, bytes);
}

START_TEST(round_trips_every_dtype) {
  falign_tensors *set = new_set(), *back;
  const size_t three[] = {3}, empty[] = {4, 0, 2}, eight[] = {1, 1, 1, 1, 1, 1, 1, 3};
  const double doubles[] = {NAN, -0.0, 0.1};
  const float singles[] = {FLT_MIN, -INFINITY, 3};
  const int64_t integers[] = {INT64_MIN, -1, INT64_MAX};
  ok(falign_tensors_add(set, "bytes", FALIGN_DTYPE_U8, three, 1, "\xff\x00\x01"));
  ok(falign_tensors_add(set, "quote\" \\ \n \xc3\xa9", FALIGN_DTYPE_F64, eight, 8, doubles));
  ok(falign_tensors_add(set, "empty", FALIGN_DTYPE_I64, empty, 3, NULL));
  ok(falign_tensors_add(set, "singles", FALIGN_DTYPE_F32, three, 1, singles));
  ok(falign_tensors_add(set, "integers", FALIGN_DTYPE_I64, three, 1, integers));
  ok(falign_tensors_add(set, "scalar", FALIGN_DTYPE_F64, NULL, 0, doubles + 2));
  ok(falign_tensors_set_note(set, "text", "line\nbreak \"quoted\""));
  ok(falign_tensors_set_note(set, "", ""));
  ok(falign_tensors_write(set, at("x")));
  ok(falign_tensors_read(at("x"), &back));
  ck_assert_uint_eq(falign_tensors_count(back), falign_tensors_count(set));
  for (size_t i = 0; i < falign_tensors_count(set); i++)
    ck_assert_str_eq(falign_tensors_name_at(back, i), falign_tensors_name_at(set, i));
  same_tensor(set, back, "bytes", 3);
  same_tensor(set, back, "quote\" \\ \n \xc3\xa9", sizeof doubles);
  same_tensor(set, back, "empty", 0);
  same_tensor(set, back, "singles", sizeof singles);
  same_tensor(set, back, "integers", sizeof integers);
  same_tensor(set, back, "scalar", sizeof(double));
  ck_assert_str_eq(falign_tensors_note(back, "text"), "line\nbreak \"quoted\"");
  ck_assert_str_eq(falign_tensors_note(back, ""), "");
  falign_tensors_destroy(back);
  falign_tensors_destroy(set);
}
END_TEST

/* PyTorch's reader views data in place: each tensor must begin at a multiple of its element's size. */
START_TEST(aligns_data) {
  falign_tensors *set = new_set();
  const size_t one[] = {1};
  ok(falign_tensors_add(set, "a", FALIGN_DTYPE_U8, one, 1, "\x07"));
  ok(falign_tensors_add(set, "b", FALIGN_DTYPE_F32, one, 1, (const float[]){1}));
  ok(falign_tensors_add(set, "c", FALIGN_DTYPE_I64, one, 1, (const int64_t[]){1}));
  ok(falign_tensors_write(set, at("x")));
  size_t size;
  const char *file = slurp(at("x"), &size);
  ck_assert_uint_eq((unsigned char)file[0] % 8, 0);
  ck_assert_ptr_nonnull(strstr(file + 8, "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[12,13]},\"b\""));
  ck_assert_ptr_nonnull(strstr(file + 8, "\"shape\":[1],\"data_offsets\":[8,12]},\"c\""));
  ck_assert_ptr_nonnull(strstr(file + 8, "\"shape\":[1],\"data_offsets\":[0,8]}}"));
  ck_assert_int_eq(file[size - 1], 7);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(round_trips_an_empty_set) {
  falign_tensors *set = new_set(), *back;
  ok(falign_tensors_write(set, at("x")));
  ok(falign_tensors_read(at("x"), &back));
  ck_assert_uint_eq(falign_tensors_count(back), 0);
  falign_tensors_destroy(back);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(reads_unaligned_data) {
  const char header[] =
      "{\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[3,11]},"
      "\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[3,3]},"
      "\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}";
  const unsigned char data[] = {1, 2, 3, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f};
  unsigned char file[512];
  spill(at("x"), file, build(file, header, sizeof header - 1, data, sizeof data));
  falign_tensors *set;
  ok(falign_tensors_read(at("x"), &set));
  double value;
  ok(falign_tensors_get(set, "d", WRITE_F64(&value, 1, 1, 1)));
  ck_assert(value == 1);
  falign_tensors_destroy(set);
}
END_TEST

/* A header and how many bytes of data follow, and what the message must say. */
static const struct {
  const char *header;
  size_t data;
  const char *text;
} malformed[] = {
    {"", 0, "invalid JSON at byte 0"},
    {"{", 0, "invalid JSON"},
    {"{\"a\":nul}", 0, "invalid JSON"},
    {"[]", 0, "its JSON is not an object"},
    {"7", 0, "its JSON is not an object"},
    {"{} x", 0, "text follows the JSON at byte 3"},
    {"{}", 5, "the tensors end at 0, but the data have 5 bytes"},
    {"{\"a\":1}", 0, "tensor \"a\" is not an object"},
    {"{\"a\":{}}", 0, "tensor \"a\" must have dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "tensor \"a\" must have"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0}}", 1, "nothing else"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "each once"},
    {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "empty name"},
    {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "\"a\" has a dtype that is not a string"},
    {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
     "\"a\" has dtype BF16; F32, F64, I64 and U8 are supported"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, "\"a\" has a shape that is not an array"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,-1],\"data_offsets\":[0,1]}}", 1, "dimension 1 of tensor \"a\""},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0.5],\"data_offsets\":[0,1]}}", 1, "dimension 0 of tensor \"a\""},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}}", 1, "dimension 0 of tensor \"a\""},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1e300],\"data_offsets\":[0,1]}}", 1, "dimension 0 of tensor \"a\""},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "more than 8 dimensions"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2147483648,2147483648],\"data_offsets\":[0,0]}}", 0, "overflows"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":0}}", 1, "data_offsets that are not two whole numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[]}}", 1, "not two whole numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "not two whole numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1.5]}}", 1, "not two whole numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "not two whole numbers"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "ends at 0, before it begins at 1"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 1, "ends at 2, but the data have 1 bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     "\"a\" has 8 bytes by its shape, 4 by its offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, "tensor \"b\" begins at 1, but \"a\" before it ends at 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
     3, "bytes 1 to 2 before tensor \"b\" belong to none"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, "end at 1, but the data have 2 bytes"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "tensor \"a\" occurs twice"},
    {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "zero byte"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"n\":1}}", 0, "note \"n\" is not a string"},
    {"{\"__metadata__\":{\"n\":\"a\",\"n\":\"b\"}}", 0, "note \"n\" occurs twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ occurs twice"},
};

START_TEST(refuses_malformed_files) {
  static unsigned char file[4096];
  static const char data[16];
  falign_tensors *set = NULL;
  size_t size = build(file, malformed[_i].header, strlen(malformed[_i].header), data, malformed[_i].data);
  spill(at("bad"), file, size);
  fails(FALIGN_FORMAT, malformed[_i].text, falign_tensors_read(at("bad"), &set));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), at("bad")));
  ck_assert_ptr_null(set);
}
END_TEST

START_TEST(accepts_an_escaped_backslash) {
  const char header[] = "{\"\\\\u0000\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
  unsigned char file[128];
  falign_tensors *set;
  spill(at("x"), file, build(file, header, sizeof header - 1, "\x07", 1));
  ok(falign_tensors_read(at("x"), &set));
  ck_assert(falign_tensors_has(set, "\\u0000"));
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(refuses_bad_lengths) {
  falign_tensors *set = NULL;
  spill(at("x"), "1234567", 7);
  fails(FALIGN_FORMAT, "7 bytes, too few", falign_tensors_read(at("x"), &set));
  spill(at("x"), "", 0);
  fails(FALIGN_FORMAT, "0 bytes, too few", falign_tensors_read(at("x"), &set));
  spill(at("x"), "\x03\0\0\0\0\0\0\0{}", 10);
  fails(FALIGN_FORMAT, "3 bytes, but only 2 follow", falign_tensors_read(at("x"), &set));
  spill(at("x"), "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
  fails(FALIGN_FORMAT, "18446744073709551615 bytes, more than", falign_tensors_read(at("x"), &set));
  spill(at("x"), "\x03\0\0\0\0\0\0\0{\0}", 11);
  fails(FALIGN_FORMAT, "zero byte", falign_tensors_read(at("x"), &set));
  fails(FALIGN_IO, "No such file", falign_tensors_read(at("none"), &set));
  fails(FALIGN_IO, "directory", falign_tensors_read(directory, &set));
  fails(FALIGN_IO, "not a regular file", falign_tensors_read("/dev/zero", &set));
  fails(FALIGN_INVALID, "path is NULL", falign_tensors_read(NULL, &set));
  fails(FALIGN_INVALID, "out is NULL", falign_tensors_read(at("x"), NULL));
  ck_assert_ptr_null(set);
}
END_TEST

START_TEST(refuses_deep_nesting) {
  enum { DEPTH = 100000 };
  static unsigned char file[DEPTH + 8];
  static char header[DEPTH];
  memset(header, '[', sizeof header);
  falign_tensors *set = NULL;
  spill(at("x"), file, build(file, header, sizeof header, NULL, 0));
  fails(FALIGN_FORMAT, "invalid JSON", falign_tensors_read(at("x"), &set));
}
END_TEST

/* Any damage to a good file is refused or harmless; the sanitizers watch. */
START_TEST(survives_damage) {
  char header[sizeof known_header];
  unsigned char file[256];
  uint32_t state = 1;
  for (int i = 0; i < 3000; i++) {
    memcpy(header, known_header, sizeof header);
    size_t size = build(file, header, sizeof header - 1, known_data, sizeof known_data);
    for (int flips = 0; flips < 3; flips++) {
      state = state * 1664525 + 1013904223;
      file[(state >> 8) % size] = (unsigned char)(i % 2 ? (int)(state >> 24) : "{}[]\":,0\\u9"[(state >> 24) % 11]);
    }
    spill(at("x"), file, size - state % 3);
    falign_tensors *set = NULL;
    falign_status status = falign_tensors_read(at("x"), &set);
    ck_assert(status == FALIGN_OK || status == FALIGN_FORMAT);
    falign_tensors_destroy(set);
  }
}
END_TEST

START_TEST(takes_many_tensors) {
  enum { MANY = 100000 };
  falign_tensors *set = new_set(), *back;
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "t%d", i);
    ok(falign_tensors_add(set, name, FALIGN_DTYPE_U8, NULL, 0, "x"));
    ok(falign_tensors_set_note(set, name, name));
  }
  ok(falign_tensors_write(set, at("x")));
  ok(falign_tensors_read(at("x"), &back));
  ck_assert_uint_eq(falign_tensors_count(back), MANY);
  ck_assert_str_eq(falign_tensors_note(back, "t77777"), "t77777");
  falign_tensors_destroy(back);
  falign_tensors_destroy(set);
}
END_TEST

/* ---- How files are written ---- */

static void holds_known_set(const char *path) {
  falign_tensors *set;
  ok(falign_tensors_read(path, &set));
  ck_assert_int_eq(falign_tensors_has(set, "W.0"), 1);
  falign_tensors_destroy(set);
}

START_TEST(writes_over_an_old_file) {
  falign_tensors *set = known_set();
  static char old[4096];
  spill(at("x"), old, sizeof old);
  ok(falign_tensors_write(set, at("x")));
  holds_known_set(at("x"));
  ck_assert_int_eq(count_files(false), 1);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(keeps_permissions) {
  falign_tensors *set = known_set();
  struct stat status;
  umask(027);
  ok(falign_tensors_write(set, at("new")));
  ck_assert_int_eq(stat(at("new"), &status), 0);
  ck_assert_uint_eq(status.st_mode & 07777, 0640);
  spill(at("old"), "x", 1);
  ck_assert_int_eq(chmod(at("old"), 0606), 0);
  ok(falign_tensors_write(set, at("old")));
  ck_assert_int_eq(stat(at("old"), &status), 0);
  ck_assert_uint_eq(status.st_mode & 07777, 0606);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(reports_a_full_device) {
  falign_tensors *set = known_set();
  fails(FALIGN_IO, "cannot write /dev/full: No space left on device", falign_tensors_write(set, "/dev/full"));
  ok(falign_tensors_write(set, "/dev/null"));
  struct stat status;
  ck_assert_int_eq(stat("/dev/null", &status), 0);
  ck_assert(S_ISCHR(status.st_mode));
  falign_tensors_destroy(set);
}
END_TEST

/* A limit on a file's size stands for a disk that fills up after `limit` bytes. */
static void write_to_full_disk(const falign_tensors *set, const char *path, rlim_t limit) {
  struct rlimit before, low;
  signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  low = before;
  low.rlim_cur = limit;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
  falign_status status = falign_tensors_write(set, path);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  ck_assert_int_eq(status, FALIGN_IO);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), path));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "File too large"));
}

START_TEST(keeps_the_old_file_on_a_full_disk) {
  enum { SIZE = 300 * 1000 };
  static const char data[SIZE];
  falign_tensors *set = known_set();
  spill(at("x"), "old", 3);
  write_to_full_disk(set, at("x"), 20); /* at the last flush */
  ok(falign_tensors_add(set, "large", FALIGN_DTYPE_U8, (const size_t[]){SIZE}, 1, data));
  write_to_full_disk(set, at("x"), 200 * 1000); /* in the middle */
  write_to_full_disk(set, at("new"), 200 * 1000);
  ck_assert_str_eq(slurp(at("x"), NULL), "old");
  ck_assert_int_eq(count_files(false), 1);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(refuses_bad_targets) {
  falign_tensors *set = known_set();
  fails(FALIGN_IO, "Is a directory", falign_tensors_write(set, directory));
  fails(FALIGN_IO, "No such file or directory", falign_tensors_write(set, at("no/x")));
  fails(FALIGN_IO, "No such file or directory", falign_tensors_write(set, ""));
  fails(FALIGN_IO, "/dev/falign-none: ", falign_tensors_write(set, "/dev/falign-none"));
  fails(FALIGN_INVALID, "path is NULL", falign_tensors_write(set, NULL));
  fails(FALIGN_INVALID, "tensors is NULL", falign_tensors_write(NULL, at("x")));
  char longest[300];
  memset(longest, 'a', sizeof longest);
  longest[255] = '\0'; /* what a name may have */
  ok(falign_tensors_write(set, at(longest)));
  longest[255] = 'a';
  longest[256] = '\0';
  fails(FALIGN_IO, "File name too long", falign_tensors_write(set, at(longest)));
  ck_assert_int_eq(count_files(false), 1);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(refuses_an_unwritable_directory) {
  falign_tensors *set = known_set();
  spill(at("x"), "old", 3);
  ck_assert_int_eq(chmod(directory, 0555), 0);
  bool root = geteuid() == 0; /* whom permissions do not stop */
  if (root) ck_assert_int_eq(seteuid(65534), 0);
  falign_status status = falign_tensors_write(set, at("x"));
  if (root) ck_assert_int_eq(seteuid(0), 0);
  ck_assert_int_eq(status, FALIGN_IO);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "Permission denied"));
  ck_assert_int_eq(chmod(directory, 0755), 0);
  ck_assert_str_eq(slurp(at("x"), NULL), "old");
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(follows_links) {
  falign_tensors *set = known_set();
  struct stat status;
  spill(at("file"), "old", 3);
  ck_assert_int_eq(symlink("file", at("middle")), 0);
  ck_assert_int_eq(symlink(at("middle"), at("link")), 0);
  ck_assert_int_eq(symlink("new", at("dangling")), 0);
  ck_assert_int_eq(symlink("loop", at("loop")), 0);
  ok(falign_tensors_write(set, at("link")));
  ok(falign_tensors_write(set, at("dangling")));
  fails(FALIGN_IO, "symbolic links", falign_tensors_write(set, at("loop")));
  ck_assert_int_eq(lstat(at("link"), &status), 0);
  ck_assert(S_ISLNK(status.st_mode));
  ck_assert_int_eq(lstat(at("middle"), &status), 0);
  ck_assert(S_ISLNK(status.st_mode));
  holds_known_set(at("file"));
  ck_assert_int_eq(lstat(at("dangling"), &status), 0);
  ck_assert(S_ISLNK(status.st_mode));
  holds_known_set(at("new"));
  ck_assert_int_eq(count_files(false), 6);
  falign_tensors_destroy(set);
}
END_TEST

START_TEST(writes_to_a_pipe) {
  falign_tensors *set = known_set();
  ck_assert_int_eq(mkfifo(at("pipe"), 0600), 0);
  int reader = open(at("pipe"), O_RDONLY | O_NONBLOCK);
  ck_assert_int_ge(reader, 0);
  ok(falign_tensors_write(set, at("pipe")));
  char got[256];
  ck_assert_int_eq(read(reader, got, sizeof got), 8 + 88 + 8);
  ck_assert_mem_eq(got + 8, known_header, sizeof known_header - 1);
  close(reader);
  struct stat status;
  ck_assert_int_eq(lstat(at("pipe"), &status), 0);
  ck_assert(S_ISFIFO(status.st_mode));
  ck_assert_int_eq(count_files(false), 1);
  falign_tensors_destroy(set);
}
END_TEST

/* /dev/fd/N, as /dev/stdout, of a regular file: what is there already stays, and the file is not replaced. */
START_TEST(writes_to_an_open_file) {
  falign_tensors *set = known_set();
  int fd = open(at("x"), O_WRONLY | O_CREAT, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, "before", 6), 6);
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", fd);
  struct stat before, after;
  ck_assert_int_eq(fstat(fd, &before), 0);
  ok(falign_tensors_write(set, path));
  ck_assert_int_eq(stat(at("x"), &after), 0);
  ck_assert(before.st_ino == after.st_ino);
  size_t size;
  ck_assert_mem_eq(slurp(at("x"), &size), "before", 6);
  ck_assert_uint_eq(size, 6 + 8 + 88 + 8);
  close(fd);
  falign_tensors_destroy(set);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, make_directory, remove_directory);
  tcase_add_test(tests, keeps_order_and_values);
  tcase_add_test(tests, refuses_bad_tensors);
  tcase_add_test(tests, converts_between_precisions);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, refuses_to_convert);
  tcase_add_test(tests, keeps_notes);
  tcase_add_test(tests, writes_the_known_bytes);
  tcase_add_test(tests, reads_the_known_bytes);
  tcase_add_test(tests, round_trips_every_dtype);
  tcase_add_test(tests, aligns_data);
  tcase_add_test(tests, round_trips_an_empty_set);
  tcase_add_test(tests, reads_unaligned_data);
  tcase_add_loop_test(tests, refuses_malformed_files, 0, sizeof malformed / sizeof *malformed);
  tcase_add_test(tests, accepts_an_escaped_backslash);
  tcase_add_test(tests, refuses_bad_lengths);
  tcase_add_test(tests, refuses_deep_nesting);
  tcase_add_test(tests, survives_damage);
  tcase_add_test(tests, takes_many_tensors);
  tcase_add_test(tests, writes_over_an_old_file);
  tcase_add_test(tests, keeps_permissions);
  tcase_add_test(tests, reports_a_full_device);
  tcase_add_test(tests, keeps_the_old_file_on_a_full_disk);
  tcase_add_test(tests, refuses_bad_targets);
  tcase_add_test(tests, refuses_an_unwritable_directory);
  tcase_add_test(tests, follows_links);
  tcase_add_test(tests, writes_to_a_pipe);
  tcase_add_test(tests, writes_to_an_open_file);
}

int main(void) { return run_suite("tensors", add_tests); }
