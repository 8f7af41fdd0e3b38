/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <zlib.h>

#include "suite.h"

/* ---- arrays ---- */

START_TEST(arrays) {
  const double x[] = {0.1, 0.2, -1, 0.3, 0.4, -1, 1e300, -0.5, -1};
  const uint32_t labels[] = {2, 0, 1};
  falign_dataset *data;
  double got[6];
  float got32[8];
  ok(falign_dataset_create(READ_F64(x, 3, 2, 3), labels, 3, &data));
  ck_assert_uint_eq(falign_dataset_get_shape(data)->points, 3);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->width, 2);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->categories, 3);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->target_width, 0);
  ck_assert_mem_eq(falign_dataset_get_shape(data)->labels, labels, sizeof labels);
  ok(falign_dataset_get(data, 1, WRITE_F64(got, 2, 2, 2)));
  ck_assert(got[0] == 0.3 && got[1] == 0.4 && got[2] == 1e300 && got[3] == -0.5);
  got32[2] = 7;
  ok(falign_dataset_get(data, 0, WRITE_F32(got32, 2, 2, 3)));
  ck_assert(got32[0] == 0.1f && got32[1] == 0.2f && got32[2] == 7 && got32[3] == 0.3f && got32[4] == 0.4f);
  ok(falign_dataset_get(data, 3, WRITE_F64(got, 0, 2, 2)));
  fails(FALIGN_INVALID, "2 points from point 2 on were asked for, but there are 3",
        falign_dataset_get(data, 2, WRITE_F64(got, 2, 2, 2)));
  fails(FALIGN_INVALID, "points from point 4", falign_dataset_get(data, 4, WRITE_F64(got, 0, 2, 2)));
  fails(FALIGN_INVALID, "points from point 1", falign_dataset_get(data, 1, WRITE_F64(got, SIZE_MAX / 64, 2, 2)));
  fails(FALIGN_INVALID, "x is 18446744073709551615 x 2 with invalid steps: 2 from row to row, 1 from column to column",
        falign_dataset_get(data, 1, WRITE_F64(got, SIZE_MAX, 2, 2)));
  fails(FALIGN_SHAPE, "x is 1 x 2, got 1 x 3", falign_dataset_get(data, 0, WRITE_F64(got, 1, 3, 3)));
  fails(FALIGN_INVALID, "x is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_dataset_get(data, 0, WRITE_F32(got32, 2, 2, 1)));
  fails(FALIGN_INVALID, "x is NULL", falign_dataset_get(data, 0, WRITE_F32(NULL, 1, 2, 2)));
  fails(FALIGN_INVALID, "dataset is NULL", falign_dataset_get(NULL, 0, WRITE_F32(got32, 1, 2, 2)));
  falign_dataset_destroy(data);
  falign_dataset_destroy(NULL);
}
END_TEST

START_TEST(single_arrays) {
  const float x[] = {0.1f, 0.2f, 0.3f, 0.4f};
  falign_dataset *data;
  double got[2];
  float same[4];
  ok(falign_dataset_create(READ_F32(x, 2, 2, 2), NULL, 0, &data));
  ck_assert_ptr_null(falign_dataset_get_shape(data)->labels);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->categories, 0);
  ok(falign_dataset_get(data, 1, WRITE_F64(got, 1, 2, 2)));
  ck_assert(got[0] == (double)0.3f && got[1] == (double)0.4f);
  ok(falign_dataset_get(data, 0, WRITE_F32(same, 2, 2, 2)));
  ck_assert(memcmp(same, x, sizeof x) == 0);
  falign_dataset_destroy(data);
}
END_TEST

START_TEST(bad_arrays) {
  double x[] = {1, 2, 3, 4}, bad[] = {1, 2, 3, INFINITY};
  float single[] = {1, 2, NAN, 4};
  uint32_t labels[] = {0, 5};
  falign_dataset *data = NULL;
  fails(FALIGN_INVALID, "x has inf in row 1, column 1", falign_dataset_create(READ_F64(bad, 2, 2, 2), NULL, 0, &data));
  fails(FALIGN_INVALID, "row 1, column 0", falign_dataset_create(READ_F32(single, 2, 2, 2), NULL, 0, &data));
  fails(FALIGN_INVALID, "label 1 is 5, but there are 5", falign_dataset_create(READ_F64(x, 2, 2, 2), labels, 5, &data));
  fails(FALIGN_INVALID, "no points", falign_dataset_create(READ_F64(x, 0, 2, 2), NULL, 0, &data));
  fails(FALIGN_INVALID, "x has no columns", falign_dataset_create(READ_F64(x, 2, 0, 2), NULL, 0, &data));
  if (SIZE_MAX > UINT32_MAX) {
    size_t many = (size_t)UINT32_MAX + 1;
    fails(FALIGN_INVALID, "4294967296 points", falign_dataset_create(READ_F64(x, many, 2, 2), NULL, 0, &data));
  }
  fails(FALIGN_INVALID, "x is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_dataset_create(READ_F64(x, 2, 2, 1), NULL, 0, &data));
  fails(FALIGN_INVALID, "x is NULL", falign_dataset_create(READ_F64(NULL, 2, 2, 2), NULL, 0, &data));
  fails(FALIGN_INVALID, "out is NULL", falign_dataset_create(READ_F64(x, 2, 2, 2), NULL, 0, NULL));
  fails(FALIGN_INVALID, "y has inf in row 1",
        falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(bad + 2, 2, 1, 1), &data));
  fails(FALIGN_INVALID, "y is NULL",
        falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(NULL, 2, 1, 1), &data));
  fails(FALIGN_INVALID, "y has no columns",
        falign_dataset_create_regression(READ_F32(single, 1, 2, 2), READ_F32(single, 1, 0, 0), &data));
  fails(FALIGN_INVALID, "y is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(x, 2, 2, 1), &data));
  fails(FALIGN_SHAPE, "y is 2 x 1, got 3 x 1",
        falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(x, 3, 1, 1), &data));
  fails(FALIGN_INVALID, "out is NULL",
        falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(x, 2, 2, 2), NULL));
  ck_assert_ptr_null(data);
}
END_TEST

START_TEST(regression) {
  const double x[] = {1, 2, 3, 4};
  falign_dataset *data;
  ok(falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(x, 2, 1, 2), &data));
  ck_assert_uint_eq(falign_dataset_get_shape(data)->target_width, 1);
  ck_assert_ptr_null(falign_dataset_get_shape(data)->labels);
  falign_dataset_destroy(data);
}
END_TEST

/* Inputs and targets of any layout make the same dataset, and it gives its inputs to any layout. */
START_TEST(any_steps) {
  enum { POINTS = 7, INPUTS = 5, TARGETS = 2 };
  static layout_room rooms[2];
  double x[POINTS * INPUTS], y[POINTS * TARGETS];
  for (int i = 0; i < POINTS * INPUTS; i++) x[i] = rounded_f32(0.1 * i - 1);
  for (int i = 0; i < POINTS * TARGETS; i++) y[i] = rounded_f32(0.3 * i - 2);
  falign_dataset *plain, *data;
  ok(falign_dataset_create_regression(READ_F64(x, POINTS, INPUTS, INPUTS), READ_F64(y, POINTS, TARGETS, TARGETS),
                                      &plain));
  for (int layout = 0; layout < LAYOUTS; layout++) {
    falign_precision precision = layout & 1 ? FALIGN_F64 : FALIGN_F32, other = layout & 1 ? FALIGN_F32 : FALIGN_F64;
    falign_view from_x = lay_out_copy(&rooms[0], layout, precision, POINTS, INPUTS, x);
    falign_view from_y = lay_out_copy(&rooms[1], LAYOUTS - 1 - layout, other, POINTS, TARGETS, y);
    ok(falign_dataset_create_regression(&from_x, &from_y, &data));
    ck_assert(falign_dataset_fingerprint(data) == falign_dataset_fingerprint(plain));
    falign_dataset_destroy(data);
    falign_matrix to = lay_out(&rooms[0], layout, precision, POINTS - 2, INPUTS, -7);
    ok(falign_dataset_get(plain, 2, &to));
    ck_assert(holds(&rooms[0], &to, -7, x + 2 * INPUTS));
  }
  falign_dataset_destroy(plain);
}
END_TEST

static uint64_t print_of(const double *x, size_t rows, size_t cols, const uint32_t *labels, uint32_t categories) {
  falign_dataset *data;
  ok(falign_dataset_create(READ_F64(x, rows, cols, cols), labels, categories, &data));
  uint64_t print = falign_dataset_fingerprint(data);
  falign_dataset_destroy(data);
  return print;
}

START_TEST(fingerprints) {
  const double x[] = {1, 2, 3, 4}, other[] = {1, 2, 3, nextafter(4, 5)};
  const float single[] = {1, 2, 3, 4};
  const uint32_t labels[] = {0, 1}, swapped[] = {1, 0};
  uint64_t print = print_of(x, 2, 2, labels, 2);
  ck_assert(print == print_of(x, 2, 2, labels, 2));
  ck_assert(print != print_of(other, 2, 2, labels, 2));
  ck_assert(print != print_of(x, 2, 2, swapped, 2));
  ck_assert(print != print_of(x, 2, 2, labels, 3));
  ck_assert(print != print_of(x, 2, 2, NULL, 0));
  ck_assert(print_of(x, 1, 4, NULL, 0) != print_of(x, 4, 1, NULL, 0));
  falign_dataset *data;
  ok(falign_dataset_create(READ_F32(single, 2, 2, 2), labels, 2, &data));
  ck_assert(print == falign_dataset_fingerprint(data));
  falign_dataset_destroy(data);
  ok(falign_dataset_create_regression(READ_F64(x, 2, 2, 2), READ_F64(x, 2, 1, 1), &data));
  ck_assert(falign_dataset_fingerprint(data) != print_of(x, 2, 2, NULL, 0));
  falign_dataset_destroy(data);
}
END_TEST

/* ---- synthetic data ---- */

static double *synthetic(size_t points, size_t width, uint32_t categories, double within, double between,
                         falign_part part, uint64_t seed) {
  falign_dataset *data;
  double *x = malloc(points * width * sizeof *x);
  ok(falign_dataset_create_synthetic(&(falign_synthetic){points, width, categories, within, between}, part, seed,
                                     &data));
  for (size_t i = 0; i < points; i++) ck_assert_uint_eq(falign_dataset_get_shape(data)->labels[i], i % categories);
  ok(falign_dataset_get(data, 0, WRITE_F64(x, points, width, width)));
  falign_dataset_destroy(data);
  return x;
}

/* The mean dot product over width of different points whose categories are the same, or are not. */
static double similarity(const double *a, const double *b, size_t points, size_t width, size_t categories, bool same) {
  double sum = 0, pairs = 0;
  for (size_t i = 0; i < points; i++) {
    for (size_t k = 0; k < points; k++) {
      if ((a == b && i == k) || ((i % categories == k % categories) != same)) continue;
      for (size_t j = 0; j < width; j++) sum += a[i * width + j] * b[k * width + j];
      pairs++;
    }
  }
  return sum / pairs / (double)width;
}

START_TEST(synthetic_similarity) {
  enum { POINTS = 60, WIDTH = 20000, CATEGORIES = 5 };
  const double within = 0.6, between = 0.2;
  double *train = synthetic(POINTS, WIDTH, CATEGORIES, within, between, FALIGN_TRAIN, 1);
  double *test = synthetic(POINTS, WIDTH, CATEGORIES, within, between, FALIGN_TEST, 1);
  double *other = synthetic(POINTS, WIDTH, CATEGORIES, within, between, FALIGN_TRAIN, 2);
  near(similarity(train, train, POINTS, WIDTH, CATEGORIES, true), within, 0.02);
  near(similarity(train, train, POINTS, WIDTH, CATEGORIES, false), between, 0.02);
  near(similarity(train, test, POINTS, WIDTH, CATEGORIES, true), within, 0.02);
  near(similarity(train, test, POINTS, WIDTH, CATEGORIES, false), between, 0.02);
  near(similarity(train, other, POINTS, WIDTH, CATEGORIES, true), 0, 0.02);
  double self = 0;
  for (size_t i = 0; i < POINTS * WIDTH; i++) self += train[i] * train[i];
  near(self / POINTS / WIDTH, 1, 0.02);
  free(train);
  free(test);
  free(other);
}
END_TEST

/* The extremes: equal points, and unrelated ones. */
START_TEST(synthetic_extremes) {
  double *equal = synthetic(4, 100, 2, 1, 1, FALIGN_TRAIN, 1);
  ck_assert_mem_eq(equal, equal + 100, 100 * sizeof *equal);
  free(equal);
  double *free_points = synthetic(4, 20000, 2, 0, 0, FALIGN_TRAIN, 1);
  near(similarity(free_points, free_points, 4, 20000, 2, true), 0, 5 / sqrt(20000.0));
  free(free_points);
}
END_TEST

START_TEST(bad_synthetic) {
  falign_dataset *data = NULL;
  fails(FALIGN_INVALID, "no points",
        falign_dataset_create_synthetic(&(falign_synthetic){0, 2, 2, 0.5, 0.1}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "width is 0",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 0, 2, 0.5, 0.1}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "categories go from 1 to 2^31 - 1, got 0",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 0, 0.5, 0.1}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "between 0.6, within 0.5",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, 0.5, 0.6}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "within 1.5",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, 1.5, 0.6}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "between -1",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, 0.5, -1}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "between 0, within nan",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, NAN, 0}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "FALIGN_TEST, got 3",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, 0.5, 0.1}, 3, 0, &data));
  fails(FALIGN_MEMORY, "synthetic",
        falign_dataset_create_synthetic(&(falign_synthetic){2, SIZE_MAX / 2, 2, 0.5, 0.1}, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "out is NULL",
        falign_dataset_create_synthetic(&(falign_synthetic){2, 2, 2, 0.5, 0.1}, FALIGN_TRAIN, 0, NULL));
  ck_assert_ptr_null(data);
}
END_TEST

/* ---- IDX files ---- */

enum { IMAGES = 20, HEIGHT = 9, WIDTH = 7, PIXELS = IMAGES * HEIGHT * WIDTH };

/* An IDX file as it should be: dimensions, then a fixed pattern of bytes below `limit`. */
static size_t make_idx(uint8_t *bytes, const uint32_t *dims, uint8_t rank, uint32_t limit) {
  size_t at = 0, size = 1;
  const uint8_t magic[] = {0, 0, 8, rank};
  memcpy(bytes, magic, sizeof magic);
  for (at = 4; at < 4u + 4 * rank; at += 4) {
    uint32_t dim = dims[at / 4 - 1];
    for (int i = 0; i < 4; i++) bytes[at + (size_t)i] = (uint8_t)(dim >> (24 - 8 * i));
    size *= dim;
  }
  for (size_t i = 0; i < size; i++) bytes[at + i] = (uint8_t)((i * 2654435761u >> 7) % limit);
  return at + size;
}

static size_t make_images(uint8_t *bytes) { return make_idx(bytes, (uint32_t[]){IMAGES, HEIGHT, WIDTH}, 3, 256); }

static size_t make_labels(uint8_t *bytes) { return make_idx(bytes, (uint32_t[]){IMAGES}, 1, 10); }

static void write_plain(const char *path, const uint8_t *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
  ck_assert_int_eq(fclose(file), 0);
}

/* gz bytes of `from`; returns how many. */
static size_t compress_gz(uint8_t *to, size_t room, const uint8_t *from, size_t size) {
  z_stream stream = {.next_in = (uint8_t *)from, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room};
  ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  size_t made = stream.total_out;
  deflateEnd(&stream);
  return made;
}

/* The paths of a pair of files; sound until a test overwrites one. */
static char images_path[4096], labels_path[4096];
static uint8_t image_bytes[16 + PIXELS + 64], label_bytes[8 + IMAGES + 64], gz_bytes[8192];
static size_t image_size, label_size;

static void write_files(void) {
  scratch(images_path, sizeof images_path, "images");
  scratch(labels_path, sizeof labels_path, "labels");
  image_size = make_images(image_bytes);
  label_size = make_labels(label_bytes);
  write_plain(images_path, image_bytes, image_size);
  write_plain(labels_path, label_bytes, label_size);
}

static void remove_files(void) {
  remove(images_path);
  remove(labels_path);
}

static falign_dataset *read_files(size_t size) {
  falign_dataset *data = NULL;
  ok(falign_dataset_read_idx(images_path, labels_path, size, 10, &data));
  return data;
}

static void check_content(const falign_dataset *data) {
  static double x[PIXELS];
  static float single[PIXELS];
  ck_assert_uint_eq(falign_dataset_get_shape(data)->points, IMAGES);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->width, HEIGHT * WIDTH);
  ok(falign_dataset_get(data, 0, WRITE_F64(x, IMAGES, HEIGHT * WIDTH, HEIGHT * WIDTH)));
  ok(falign_dataset_get(data, 0, WRITE_F32(single, IMAGES, HEIGHT * WIDTH, HEIGHT * WIDTH)));
  for (size_t i = 0; i < PIXELS; i++) {
    ck_assert(x[i] == image_bytes[16 + i] / 255.0);
    ck_assert(single[i] == (float)(image_bytes[16 + i] / 255.0));
  }
  for (size_t i = 0; i < IMAGES; i++) ck_assert_uint_eq(falign_dataset_get_shape(data)->labels[i], label_bytes[8 + i]);
}

START_TEST(plain_files) {
  falign_dataset *data = read_files(0);
  check_content(data);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->categories, 10);
  falign_dataset_destroy(data);
}
END_TEST

START_TEST(gz_files) {
  write_plain(images_path, gz_bytes, compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size));
  write_plain(labels_path, gz_bytes, compress_gz(gz_bytes, sizeof gz_bytes, label_bytes, label_size));
  falign_dataset *data = read_files(0);
  check_content(data);
  falign_dataset_destroy(data);
}
END_TEST

/* A gz file may be several members one after the other, as `cat a.gz b.gz` makes it. */
START_TEST(gz_members) {
  size_t first = compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, 10);
  size_t second = compress_gz(gz_bytes + first, sizeof gz_bytes - first, image_bytes + 10, image_size - 10);
  write_plain(images_path, gz_bytes, first + second);
  falign_dataset *data = read_files(0);
  check_content(data);
  falign_dataset_destroy(data);
}
END_TEST

/* One pixel of the definition, in double precision. */
static double bilinear(const uint8_t *image, size_t height, size_t width, size_t size, size_t i, size_t j) {
  double y = fmax(0, ((double)i + 0.5) * (double)height / (double)size - 0.5);
  double x = fmax(0, ((double)j + 0.5) * (double)width / (double)size - 0.5);
  size_t y0 = (size_t)y, x0 = (size_t)x;
  size_t y1 = y0 + 1 < height ? y0 + 1 : height - 1, x1 = x0 + 1 < width ? x0 + 1 : width - 1;
  double v = y - (double)y0, u = x - (double)x0;
  return ((1 - v) * ((1 - u) * image[y0 * width + x0] + u * image[y0 * width + x1]) +
          v * ((1 - u) * image[y1 * width + x0] + u * image[y1 * width + x1])) /
         255;
}

START_TEST(resized) {
  const size_t sizes[] = {1, 2, 3, 5, 7, 8, 9, 10, 15, 28, 129, 300};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    size_t size = sizes[s], pixels = size * size;
    falign_dataset *data = read_files(size);
    double *x = malloc(IMAGES * pixels * sizeof *x);
    float *single = malloc(IMAGES * pixels * sizeof *single);
    ck_assert_uint_eq(falign_dataset_get_shape(data)->width, pixels);
    ok(falign_dataset_get(data, 0, WRITE_F64(x, IMAGES, pixels, pixels)));
    ok(falign_dataset_get(data, 0, WRITE_F32(single, IMAGES, pixels, pixels)));
    for (size_t p = 0; p < IMAGES * pixels; p++) {
      const uint8_t *image = image_bytes + 16 + p / pixels * HEIGHT * WIDTH;
      near(x[p], bilinear(image, HEIGHT, WIDTH, size, p % pixels / size, p % size), 1e-14);
      ck_assert(single[p] == (float)x[p]);
    }
    free(x);
    free(single);
    falign_dataset_destroy(data);
  }
}
END_TEST

/* Square images of the asked size stay as they are, to the last bit. */
START_TEST(resized_to_its_own_size) {
  double x[4 * 25];
  image_size = make_idx(image_bytes, (uint32_t[]){4, 5, 5}, 3, 256);
  label_size = make_idx(label_bytes, (uint32_t[]){4}, 1, 10);
  write_plain(images_path, image_bytes, image_size);
  write_plain(labels_path, label_bytes, label_size);
  falign_dataset *data = read_files(5);
  ok(falign_dataset_get(data, 0, WRITE_F64(x, 4, 25, 25)));
  for (size_t i = 0; i < 100; i++) ck_assert(x[i] == image_bytes[16 + i] / 255.0);
  falign_dataset_destroy(data);
}
END_TEST

/* Fails to read the files as they are now, and leaves `out` alone. */
static void refused(falign_status want, const char *text) {
  falign_dataset *data = NULL;
  fails(want, text, falign_dataset_read_idx(images_path, labels_path, 0, 10, &data));
  ck_assert_ptr_null(data);
}

/* What is said of more bytes than a size of 32 bits can count. */
static const char *of_many(const char *text) { return SIZE_MAX > UINT32_MAX ? text : "overflows"; }

START_TEST(bad_headers) {
  const struct {
    size_t at;
    uint8_t byte;
    const char *text;
  } cases[] = {
      {0, 1, "begins with 01 00 08"},
      {2, 9, "begins with 00 00 09"},
      {3, 1, "has 1 dimensions, not 3"},
      {7, 0, "dimension 0 is 0"},
      {15, 0, "dimension 2 is 0"},
      {7, IMAGES + 1, "has 1260 bytes of data, but its header declares 1323"},
      {7, IMAGES - 1, "has more than the 1197 bytes"},
      {4, 0xff, of_many("has 1260 bytes of data")},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    uint8_t kept = image_bytes[cases[c].at];
    image_bytes[cases[c].at] = cases[c].byte;
    write_plain(images_path, image_bytes, image_size);
    refused(FALIGN_FORMAT, cases[c].text);
    refused(FALIGN_FORMAT, images_path);
    image_bytes[cases[c].at] = kept;
  }
  memset(image_bytes + 4, 0xff, 12);
  write_plain(images_path, image_bytes, image_size);
  refused(FALIGN_FORMAT, "overflows");
}
END_TEST

/* A small gz file that promises 2^32 - 1 images is refused without memory for them. */
START_TEST(gz_that_promises_much) {
  memset(image_bytes + 4, 0xff, 4);
  write_plain(images_path, gz_bytes, compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size));
  refused(FALIGN_FORMAT, of_many("has 1260 bytes of data, but its header declares 270582939585"));
}
END_TEST

/* Cut anywhere, both kinds of file are refused; a gz file also within its trailer. */
START_TEST(cut_files) {
  for (size_t size = 0; size < image_size; size += size < 24 ? 1 : 97) {
    write_plain(images_path, image_bytes, size);
    refused(FALIGN_FORMAT, size < 16 ? "ends within its header" : "but its header declares");
  }
  size_t gz_size = compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size);
  for (size_t size = 2; size < gz_size; size += size + 20 < gz_size && size > 40 ? 17 : 1) {
    write_plain(images_path, gz_bytes, size);
    refused(FALIGN_FORMAT, "is a truncated gz file");
  }
}
END_TEST

/* Flipping a bit is found by inflate, the CRC or the length. The last byte of compressed data may hold padding. */
START_TEST(flipped_gz_bytes) {
  size_t gz_size = compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size);
  for (size_t at = 10; at < gz_size; at += at + 20 < gz_size ? 13 : 1) {
    if (at == gz_size - 9) continue;
    gz_bytes[at] ^= 0x10;
    write_plain(images_path, gz_bytes, gz_size);
    refused(FALIGN_FORMAT, images_path);
    gz_bytes[at] ^= 0x10;
  }
  gz_bytes[gz_size - 8] ^= 1;
  write_plain(images_path, gz_bytes, gz_size);
  refused(FALIGN_FORMAT, "is a corrupt gz file: incorrect data check");
}
END_TEST

START_TEST(bytes_behind_the_data) {
  image_bytes[image_size] = 0;
  write_plain(images_path, image_bytes, image_size + 1);
  refused(FALIGN_FORMAT, "has more than the 1260 bytes");
  write_plain(images_path, gz_bytes, compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size + 1));
  refused(FALIGN_FORMAT, "has more than the 1260 bytes");
  size_t gz_size = compress_gz(gz_bytes, sizeof gz_bytes, image_bytes, image_size);
  memcpy(gz_bytes + gz_size, "rubbish", 7);
  write_plain(images_path, gz_bytes, gz_size + 7);
  refused(FALIGN_FORMAT, "is a corrupt gz file: incorrect header check");
}
END_TEST

START_TEST(bad_labels) {
  label_bytes[8 + 4] = 10;
  write_plain(labels_path, label_bytes, label_size);
  refused(FALIGN_FORMAT, "has the label 10 at index 4, but there are 10 categories");
  label_size = make_idx(label_bytes, (uint32_t[]){IMAGES - 1}, 1, 10);
  write_plain(labels_path, label_bytes, label_size);
  refused(FALIGN_FORMAT, "has 19 labels");
  refused(FALIGN_FORMAT, "has 20 images");
  write_plain(labels_path, image_bytes, image_size);
  refused(FALIGN_FORMAT, "has 3 dimensions, not 1");
}
END_TEST

START_TEST(missing_files) {
  remove(labels_path);
  refused(FALIGN_IO, labels_path);
  refused(FALIGN_IO, strerror(ENOENT));
  ck_assert_int_eq(mkdir(labels_path, 0700), 0);
  refused(FALIGN_IO, "cannot read");
  refused(FALIGN_IO, strerror(EISDIR));
  rmdir(labels_path);
}
END_TEST

START_TEST(bad_idx_arguments) {
  falign_dataset *data = NULL;
  fails(FALIGN_INVALID, "images is NULL", falign_dataset_read_idx(NULL, labels_path, 0, 10, &data));
  fails(FALIGN_INVALID, "labels is NULL", falign_dataset_read_idx(images_path, NULL, 0, 10, &data));
  fails(FALIGN_INVALID, "out is NULL", falign_dataset_read_idx(images_path, labels_path, 0, 10, NULL));
  fails(FALIGN_INVALID, "categories is 0", falign_dataset_read_idx(images_path, labels_path, 0, 0, &data));
  fails(FALIGN_INVALID, "image_size is 1451", falign_dataset_read_idx(images_path, labels_path, 1451, 10, &data));
  fails(FALIGN_INVALID, "image_size", falign_dataset_read_idx(images_path, labels_path, SIZE_MAX, 10, &data));
  fails(FALIGN_INVALID, "directory is NULL", falign_dataset_read_mnist(NULL, FALIGN_TRAIN, 0, &data));
  fails(FALIGN_INVALID, "FALIGN_TEST, got 0", falign_dataset_read_mnist("/", 0, 0, &data));
  fails(FALIGN_INVALID, "out is NULL", falign_dataset_read_mnist("/", FALIGN_TEST, 0, NULL));
  ck_assert_ptr_null(data);
}
END_TEST

/* The largest image_size: its numerators reach 2144550000. */
START_TEST(largest_image_size) {
  memset(image_bytes + 16, 255, 4);
  write_plain(images_path, image_bytes, make_idx(image_bytes, (uint32_t[]){1, 2, 2}, 3, 256));
  write_plain(labels_path, label_bytes, make_idx(label_bytes, (uint32_t[]){1}, 1, 10));
  falign_dataset *data = read_files(1450);
  double *x = malloc(1450 * 1450 * sizeof *x);
  ok(falign_dataset_get(data, 0, WRITE_F64(x, 1, 1450 * 1450, 1450 * 1450)));
  for (size_t p = 0; p < 1450 * 1450; p += 997)
    near(x[p], bilinear(image_bytes + 16, 2, 2, 1450, p / 1450, p % 1450), 1e-14);
  free(x);
  falign_dataset_destroy(data);
}
END_TEST

/* ---- directories ---- */

static void check_spelling(const char *images, const char *labels, bool gz, falign_part part) {
  char directory[4096], path[2][5000];
  scratch(directory, sizeof directory, "directory");
  ck_assert_int_eq(mkdir(directory, 0700), 0);
  snprintf(path[0], sizeof path[0], "%s/%s", directory, images);
  snprintf(path[1], sizeof path[1], "%s/%s", directory, labels);
  falign_dataset *data = NULL;
  fails(FALIGN_IO, "-images-idx3-ubyte.gz nor ", falign_dataset_read_mnist(directory, part, 0, &data));
  const uint8_t *bytes[] = {image_bytes, label_bytes};
  size_t sizes[] = {image_size, label_size};
  for (int i = 0; i < 2; i++) {
    if (i == 1) fails(FALIGN_IO, "-labels-idx1-ubyte (nor", falign_dataset_read_mnist(directory, part, 0, &data));
    if (gz) {
      write_plain(path[i], gz_bytes, compress_gz(gz_bytes, sizeof gz_bytes, bytes[i], sizes[i]));
    } else {
      write_plain(path[i], bytes[i], sizes[i]);
    }
  }
  ok(falign_dataset_read_mnist(directory, part, 0, &data));
  check_content(data);
  falign_dataset_destroy(data);
  remove(path[0]);
  remove(path[1]);
  rmdir(directory);
}

START_TEST(directories) {
  check_spelling("train-images-idx3-ubyte", "train-labels-idx1-ubyte", false, FALIGN_TRAIN);
  check_spelling("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", true, FALIGN_TRAIN);
  check_spelling("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz", true, FALIGN_TEST);
  falign_dataset *data = NULL;
  fails(FALIGN_IO, strerror(ENOTDIR), falign_dataset_read_mnist(images_path, FALIGN_TRAIN, 0, &data));
}
END_TEST

/* Pixels and sums of REPRODUCTION's set-up, on the real data. */
static void mnist_sums(const char *directory, falign_part part, size_t points, double *sum, double *squares) {
  static double x[1000 * 225];
  falign_dataset *data = NULL;
  ok(falign_dataset_read_mnist(directory, part, 15, &data));
  ck_assert_uint_eq(falign_dataset_get_shape(data)->points, points);
  ck_assert_uint_eq(falign_dataset_get_shape(data)->width, 225);
  *sum = *squares = 0;
  for (size_t first = 0; first < points; first += 1000) {
    ok(falign_dataset_get(data, first, WRITE_F64(x, 1000, 225, 225)));
    for (size_t i = 0; i < 1000 * 225; i++) {
      *sum += x[i];
      *squares += x[i] * x[i];
    }
    if (part != FALIGN_TRAIN || first > 0) continue;
    ck_assert_uint_eq(falign_dataset_get_shape(data)->labels[0], 5);
    near(x[37], 0.011764705882353, 1e-15);
    near(x[82], 0.234117647058823, 1e-15);
    near(x[112], 0.77156862745098, 1e-15);
    near(x[127], 0.0558823529411764, 1e-15);
  }
  falign_dataset_destroy(data);
}

START_TEST(mnist) {
  const char *directory = getenv("FALIGN_MNIST_DIR");
  skip_unless(directory, "FALIGN_MNIST_DIR is not set");
  double sum, squares;
  mnist_sums(directory, FALIGN_TRAIN, 60000, &sum, &squares);
  near(sum, 1766041.34198257, 1e-5);
  near(squares, 1369936.61208265, 1e-5); /* of adding 13.5 million numbers */
  mnist_sums(directory, FALIGN_TEST, 10000, &sum, &squares);
  near(sum, 298554.204819172, 1e-5);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, write_files, remove_files);
  tcase_add_test(tests, arrays);
  tcase_add_test(tests, single_arrays);
  tcase_add_test(tests, bad_arrays);
  tcase_add_test(tests, regression);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, fingerprints);
  tcase_add_test(tests, synthetic_similarity);
  tcase_add_test(tests, synthetic_extremes);
  tcase_add_test(tests, bad_synthetic);
  tcase_add_test(tests, plain_files);
  tcase_add_test(tests, gz_files);
  tcase_add_test(tests, gz_members);
  tcase_add_test(tests, resized);
  tcase_add_test(tests, resized_to_its_own_size);
  tcase_add_test(tests, bad_headers);
  tcase_add_test(tests, gz_that_promises_much);
  tcase_add_test(tests, cut_files);
  tcase_add_test(tests, flipped_gz_bytes);
  tcase_add_test(tests, bytes_behind_the_data);
  tcase_add_test(tests, bad_labels);
  tcase_add_test(tests, missing_files);
  tcase_add_test(tests, bad_idx_arguments);
  tcase_add_test(tests, largest_image_size);
  tcase_add_test(tests, directories);
  tcase_add_test(tests, mnist);
}

int main(void) { return run_suite("dataset", add_tests); }
