/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "components.h"

static double dot(const double *x, const double *y, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

/* ---- Points ---- */

START_TEST(points_are_counted) {
  const float single[] = {1, 2, 3};
  const double point[] = {1, 2, 3};
  falign_trajectory *trajectory = NULL;
  ok(falign_trajectory_create(FALIGN_F32, 3, &trajectory));
  ck_assert(points_of(trajectory).rows == 0 && points_of(trajectory).cols == 3);
  for (size_t i = 0; i < 100; i += 2) {
    ok(falign_trajectory_add(trajectory, READ_F32(single, 1, 3, 3)));
    ok(falign_trajectory_add(trajectory, READ_F64(point, 1, 3, 3)));
    ck_assert_uint_eq(points_of(trajectory).rows, i + 2);
  }
  falign_trajectory_destroy(trajectory);
}
END_TEST

/* Points of any layout and precision are rows of the view, in the trajectory's own precision. */
START_TEST(points_are_read_back) {
  const double third = 1.0 / 3, points[2][2] = {{1, third}, {-2, 5}};
  static layout_room room;
  falign_view all;
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    falign_trajectory *trajectory = NULL;
    ok(falign_trajectory_create(precision, 2, &trajectory));
    for (size_t i = 0; i < 2; i++) ok(falign_trajectory_add(trajectory, READ_F64(points[i], 1, 2, 2)));
    ok(falign_trajectory_view(trajectory, &all));
    ck_assert(all.rows == 2 && all.cols == 2 && all.row_step == 2 && all.col_step == 1 && all.precision == precision);
    ck_assert(element(&all, 0, 0) == 1 && element(&all, 1, 0) == -2 && element(&all, 1, 1) == 5);
    ck_assert(element(&all, 0, 1) == (precision == FALIGN_F32 ? (double)(float)third : third));
    for (int choice = 0; choice < LAYOUTS * 2; choice++) {
      falign_view point = lay_out_copy(&room, choice / 2, choice & 1 ? FALIGN_F64 : FALIGN_F32, 1, 2, points[1]);
      ok(falign_trajectory_add(trajectory, &point));
      all = points_of(trajectory);
      ck_assert(all.rows == (size_t)choice + 3);
      ck_assert(element(&all, all.rows - 1, 0) == -2 && element(&all, all.rows - 1, 1) == 5);
    }
    fails(FALIGN_INVALID, "trajectory is NULL", falign_trajectory_view(NULL, &all));
    fails(FALIGN_INVALID, "out is NULL", falign_trajectory_view(trajectory, NULL));
    falign_trajectory_destroy(trajectory);
  }
}
END_TEST

START_TEST(bad_points) {
  const float infinite[] = {1, INFINITY};
  const double nan[] = {1, 2, NAN}, large[] = {1, 1e39, 3}, fine[] = {1, 2, 3};
  const size_t widths[] = {1, 1};
  falign_trajectory *trajectory = NULL;
  falign_network *network = NULL;
  fails(FALIGN_INVALID, "0 coordinates", falign_trajectory_create(FALIGN_F32, 0, &trajectory));
  fails(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got 3", falign_trajectory_create(3, 3, &trajectory));
  fails(FALIGN_INVALID, "out is NULL", falign_trajectory_create(FALIGN_F32, 3, NULL));
  ck_assert_ptr_null(trajectory);
  ok(falign_trajectory_create(FALIGN_F32, 3, &trajectory));
  ok(falign_network_create(FALIGN_F32, 1, widths, 1, &network));
  ok(falign_trajectory_add(trajectory, READ_F64(fine, 1, 3, 3)));
  fails(FALIGN_SHAPE, "point[1] is 1 x 3, got 1 x 2", falign_trajectory_add(trajectory, READ_F32(infinite, 1, 2, 2)));
  fails(FALIGN_SHAPE, "point[1] is 1 x 3, got 1 x 4", falign_trajectory_add(trajectory, READ_F64(fine, 1, 4, 4)));
  fails(FALIGN_SHAPE, "point[1] is 1 x 3, got 3 x 1", falign_trajectory_add(trajectory, READ_F64(fine, 3, 1, 1)));
  fails(FALIGN_SHAPE, "point[1] is 1 x 3, got 1 x 2", add_network(trajectory, network));
  fails(FALIGN_INVALID, "point[1] has nan in row 0, column 2",
        falign_trajectory_add(trajectory, READ_F64(nan, 1, 3, 3)));
  fails(FALIGN_INVALID, "point[1] has 1e+39 in row 0, column 1",
        falign_trajectory_add(trajectory, READ_F64(large, 1, 3, 3)));
  fails(FALIGN_INVALID, "trajectory is NULL", falign_trajectory_add(NULL, READ_F64(fine, 1, 3, 3)));
  fails(FALIGN_INVALID, "point[1] is NULL", falign_trajectory_add(trajectory, READ_F32(NULL, 1, 3, 3)));
  fails(FALIGN_INVALID, "point[1] is NULL", falign_trajectory_add(trajectory, NULL));
  ck_assert_uint_eq(points_of(trajectory).rows, 1);
  falign_trajectory_destroy(trajectory);
  ok(falign_trajectory_create(FALIGN_F64, 2, &trajectory));
  fails(FALIGN_INVALID, "point[0] has inf in row 0, column 1",
        falign_trajectory_add(trajectory, READ_F32(infinite, 1, 2, 2)));
  network_f32(network, FALIGN_W, 0)[0] = INFINITY;
  fails(FALIGN_INVALID, "point[0] has inf", add_network(trajectory, network));
  ck_assert_uint_eq(points_of(trajectory).rows, 0);
  falign_trajectory_destroy(trajectory);
  falign_trajectory_destroy(NULL);
  falign_network_destroy(network);
}
END_TEST

/* W[0], b[1], W[1], b[2], each row-major: the mean of one such network and one of zeros, by halves, shows the order. */
START_TEST(order_of_coordinates) {
  const size_t widths[] = {2, 3, 1};
  const double w0[] = {1, 2, 3, 4, 5, 6}, b1[] = {11, 12, 13}, w1[] = {21, 22, 23}, b2[] = {31};
  const double want[2][13] = {{1, 2, 3, 4, 5, 6, 11, 12, 13, 21, 22, 23, 31}, {1, 2, 3, 4, 5, 6, 21, 22, 23}};
  skip_unless(have_lapack(), no_lapack);
  for (int biases = 0; biases < 2; biases++) {
    size_t numbers = biases ? 13 : 9;
    falign_network *network = new_network(FALIGN_F32, 2, widths, biases != 0, LINEAR);
    falign_trajectory *trajectory = NULL;
    falign_components *found = NULL;
    ck_assert_uint_eq(falign_network_parameters(network), numbers);
    ok(falign_trajectory_create(FALIGN_F64, numbers, &trajectory));
    ok(add_network(trajectory, network));
    ok(falign_network_set(network, FALIGN_W, 0, READ_F64(w0, 2, 3, 3)));
    ok(falign_network_set(network, FALIGN_W, 1, READ_F64(w1, 3, 1, 1)));
    if (biases) ok(falign_network_set(network, FALIGN_BIAS, 1, READ_F64(b1, 1, 3, 3)));
    if (biases) ok(falign_network_set(network, FALIGN_BIAS, 2, READ_F64(b2, 1, 1, 1)));
    ok(add_network(trajectory, network));
    ok(falign_components_create(trajectory, 1, &found));
    for (size_t j = 0; j < numbers; j++) ck_assert(mean_of(found)[j] == want[!biases][j] / 2);
    falign_components_destroy(found);
    falign_trajectory_destroy(trajectory);
    falign_network_destroy(network);
  }
}
END_TEST

/* ---- Against the eigenvectors of the covariance, by Jacobi's rotations ---- */

enum { MOST = 310 };

static struct {
  double points[MOST * MOST], mean[MOST], covariance[MOST * MOST], rotated[MOST * MOST], vectors[MOST * MOST];
} plain_pca;

static void rotate(double *x, double *y, size_t step, size_t count, double c, double s) {
  for (size_t i = 0; i < count; i++) {
    double at_x = x[i * step], at_y = y[i * step];
    x[i * step] = c * at_x - s * at_y;
    y[i * step] = s * at_x + c * at_y;
  }
}

/* Turns `rotated` until nothing beside the diagonal counts; the rows of `vectors` are then its eigenvectors. */
static void jacobi(size_t n) {
  double *a = plain_pca.rotated, *v = plain_pca.vectors, small = 0;
  bool turned = true;
  memcpy(a, plain_pca.covariance, n * n * sizeof *a);
  for (size_t i = 0; i < n * n; i++) {
    v[i] = i % (n + 1) == 0;
    small = fmax(small, 0x1p-53 * fabs(a[i]));
  }
  while (turned) {
    turned = false;
    for (size_t p = 0; p < n; p++) {
      for (size_t q = p + 1; q < n; q++) {
        if (fabs(a[p * n + q]) <= small) continue;
        double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1);
        rotate(a + p * n, a + q * n, 1, n, c, t * c);
        rotate(a + p, a + q, n, n, c, t * c);
        rotate(v + p * n, v + q * n, 1, n, c, t * c);
        turned = true;
      }
    }
  }
}

/* The place of the largest number on the diagonal; it is taken off it. */
static size_t take_largest(size_t n, double *value) {
  size_t largest = 0;
  for (size_t i = 0; i < n; i++)
    if (plain_pca.rotated[i * n + i] > plain_pca.rotated[largest * n + largest]) largest = i;
  *value = plain_pca.rotated[largest * n + largest];
  plain_pca.rotated[largest * n + largest] = -1;
  return largest;
}

/* Gaussian points of which the coordinates have standard deviations 4, 2, 4/3, ..., around a mean that is not 0. */
static void draw_points(falign_precision precision, size_t points, size_t numbers) {
  gaussian(plain_pca.points, points * numbers, 1, (uint32_t)(points * 1000 + numbers));
  for (size_t i = 0; i < points * numbers; i++)
    plain_pca.points[i] = plain_pca.points[i] * 4 / (double)(i % numbers + 1) + 3;
  round_as(precision, plain_pca.points, points * numbers);
}

static void find_covariance(size_t points, size_t numbers) {
  for (size_t j = 0; j < numbers; j++) {
    plain_pca.mean[j] = 0;
    for (size_t i = 0; i < points; i++) plain_pca.mean[j] += plain_pca.points[i * numbers + j] / (double)points;
  }
  for (size_t j = 0; j < numbers; j++) {
    for (size_t k = 0; k < numbers; k++) {
      double sum = 0;
      for (size_t i = 0; i < points; i++) {
        const double *point = plain_pca.points + i * numbers;
        sum += (point[j] - plain_pca.mean[j]) * (point[k] - plain_pca.mean[k]);
      }
      plain_pca.covariance[j * numbers + k] = sum / (double)(points - 1);
    }
  }
}

static void check_directions(const falign_components *found, size_t numbers) {
  for (size_t i = 0; i < count_of(found); i++) {
    const double *direction = direction_of(found, i);
    size_t largest = 0;
    for (size_t k = 0; k <= i; k++) near(dot(direction, direction_of(found, k), numbers), i == k, 1e-12);
    for (size_t j = 0; j < numbers; j++)
      if (fabs(direction[j]) > fabs(direction[largest])) largest = j;
    ck_assert(direction[largest] > 0);
  }
}

/* Both sides are off by their rounding errors, of at most points or coordinates times epsilon in all, relative to the
 * first eigenvalue; the eigenvectors by that over the distance to the next eigenvalue. */
START_TEST(covariance_by_jacobi) {
  static const size_t shapes[][2] = {{20, 7},   {7, 20},   {9, 9},     {2, 5},    {5, 1},
                                     {300, 40}, {40, 300}, {310, 300}, {300, 310}};
  skip_unless(have_lapack(), no_lapack);
  for (size_t s = 0; s < 2 * sizeof shapes / sizeof *shapes; s++) {
    falign_precision precision = s % 2 ? FALIGN_F64 : FALIGN_F32;
    size_t points = shapes[s / 2][0], numbers = shapes[s / 2][1], all = points - 1 < numbers ? points - 1 : numbers;
    size_t count = all < 6 ? all : 6;
    double value, first = 0, trace = 0;
    if (points == 300 && s % 2) continue; /* one precision will do for the large ones */
    draw_points(precision, points, numbers);
    find_covariance(points, numbers);
    jacobi(numbers);
    falign_components *found = components_of(precision, plain_pca.points, points, numbers, count);
    for (size_t j = 0; j < numbers; j++) {
      near(mean_of(found)[j], plain_pca.mean[j], (double)points * 16 * DBL_EPSILON);
      trace += plain_pca.covariance[j * numbers + j];
    }
    check_directions(found, numbers);
    size_t at = take_largest(numbers, &value);
    for (size_t i = 0; i < count; i++) {
      const double *direction = direction_of(found, i);
      double next = 0, before = i == 0 ? INFINITY : part(found, FALIGN_COMPONENT_VARIANCE, 0)[i - 1];
      size_t next_at = i + 1 < numbers ? take_largest(numbers, &next) : 0;
      if (i == 0) first = value;
      double error = (double)(points + numbers) * DBL_EPSILON * first;
      near(part(found, FALIGN_COMPONENT_VARIANCE, 0)[i], value, error);
      near(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[i], value / trace, error / trace * 2);
      double gap = fmin(before - value, value - next), sine = error / gap;
      near(fabs(dot(direction, plain_pca.vectors + at * numbers, numbers)), 1, sine * sine + 1e-13);
      double off = 0; /* of C v from the eigenvalue times v */
      for (size_t j = 0; j < numbers; j++)
        off += pow(dot(plain_pca.covariance + j * numbers, direction, numbers) - value * direction[j], 2);
      near(sqrt(off), 0, error);
      value = next;
      at = next_at;
    }
    falign_components_destroy(found);
  }
}
END_TEST

/* All components together explain everything, and reach every point. */
START_TEST(all_components) {
  static const size_t shapes[][2] = {{12, 5}, {5, 12}, {8, 8}};
  skip_unless(have_lapack(), no_lapack);
  for (size_t s = 0; s < 3; s++) {
    size_t points = shapes[s][0], numbers = shapes[s][1], count = points - 1 < numbers ? points - 1 : numbers;
    double sum = 0, coordinates[12], again[12], point[12];
    draw_points(FALIGN_F64, points, numbers);
    falign_components *found = components_of(FALIGN_F64, plain_pca.points, points, numbers, count);
    check_directions(found, numbers);
    for (size_t i = 0; i < count; i++) sum += part(found, FALIGN_COMPONENT_EXPLAINED, 0)[i];
    near(sum, 1, 20 * DBL_EPSILON);
    for (size_t i = 0; i < points; i++) {
      const double *from = plain_pca.points + i * numbers;
      ok(falign_components_project(found, READ_F64(from, 1, numbers, numbers),
                                   WRITE_F64(coordinates, 1, count, count)));
      ok(falign_components_point(found, READ_F64(coordinates, 1, count, count), WRITE_F64(point, 1, numbers, numbers)));
      ok(falign_components_project(found, READ_F64(point, 1, numbers, numbers), WRITE_F64(again, 1, count, count)));
      for (size_t j = 0; j < numbers; j++) near(point[j], from[j], 200 * DBL_EPSILON); /* |x| is at most 20 */
      for (size_t k = 0; k < count; k++) near(again[k], coordinates[k], 400 * DBL_EPSILON);
    }
    falign_components_destroy(found);
  }
}
END_TEST

/* ---- Known planes ---- */

/* An ellipse in the plane of two axes that are not those of the coordinates. */
START_TEST(ellipse) {
  enum { POINTS = 12, NUMBERS = 40 };
  skip_unless(have_lapack(), no_lapack);
  for (size_t numbers = 6; numbers <= NUMBERS; numbers += NUMBERS - 6) {
    double rows[POINTS * NUMBERS] = {0}, angle, a[NUMBERS] = {0}, b[NUMBERS] = {0}, coordinates[3];
    a[1] = -0.8, a[3] = 0.6; /* its largest number is negative: the component is -a */
    b[1] = 0.48, b[3] = 0.64, b[4] = 0.6;
    for (size_t i = 0; i < POINTS; i++) {
      angle = acos(-1) * 2 * (double)i / POINTS;
      for (size_t j = 0; j < numbers; j++)
        rows[i * numbers + j] = (double)j + 3 * cos(angle) * a[j] + sin(angle) * b[j];
    }
    for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
      double tolerance = (double)NUMBERS * NUMBERS * epsilon(precision); /* coordinates up to 43, 40 of them */
      falign_components *found = components_of(precision, rows, POINTS, numbers, 3);
      near(part(found, FALIGN_COMPONENT_VARIANCE, 0)[0], 9 * POINTS / 2.0 / (POINTS - 1), 10 * tolerance);
      near(part(found, FALIGN_COMPONENT_VARIANCE, 0)[1], 1 * POINTS / 2.0 / (POINTS - 1), 10 * tolerance);
      near(part(found, FALIGN_COMPONENT_VARIANCE, 0)[2], 0, tolerance);
      near(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[0], 0.9, tolerance);
      near(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[1], 0.1, tolerance);
      ck_assert(part(found, FALIGN_COMPONENT_VARIANCE, 0)[2] >= 0);
      for (size_t j = 0; j < numbers; j++) {
        near(direction_of(found, 0)[j], -a[j], tolerance);
        near(direction_of(found, 1)[j], b[j], tolerance);
        near(mean_of(found)[j], (double)j, tolerance);
      }
      check_directions(found, numbers);
      for (size_t i = 0; i < POINTS; i++) {
        angle = acos(-1) * 2 * (double)i / POINTS;
        ok(falign_components_project(found, READ_F64(rows + i * numbers, 1, numbers, numbers),
                                     WRITE_F64(coordinates, 1, 3, 3)));
        near(coordinates[0], -3 * cos(angle), 10 * tolerance);
        near(coordinates[1], sin(angle), 10 * tolerance);
        near(coordinates[2], 0, 10 * tolerance);
      }
      falign_components_destroy(found);
    }
  }
}
END_TEST

/* On a line all is explained by one component; where nothing varies, no share is defined. The others complete it. */
START_TEST(fewer_dimensions_than_components) {
  enum { POINTS = 7, NUMBERS = 9 };
  double rows[POINTS * NUMBERS];
  skip_unless(have_lapack(), no_lapack);
  for (size_t numbers = 5; numbers <= NUMBERS; numbers += 4) {
    for (size_t i = 0; i < POINTS * numbers; i++) rows[i] = 0.1 + 2 * (double)(i / numbers) * (i % numbers == 2);
    falign_components *found = components_of(FALIGN_F64, rows, POINTS, numbers, 5);
    near(part(found, FALIGN_COMPONENT_VARIANCE, 0)[0], 4 * 28 / 6.0, 1e-14);
    near(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[0], 1, 1e-15);
    near(direction_of(found, 0)[2], 1, 1e-15);
    for (size_t k = 1; k < 5; k++) {
      near(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[k], 0, 1e-15);
      ck_assert(part(found, FALIGN_COMPONENT_VARIANCE, 0)[k] >= 0);
    }
    check_directions(found, numbers);
    falign_components_destroy(found);

    for (size_t i = 0; i < POINTS * numbers; i++) rows[i] = 0.1 * (double)(i % numbers);
    found = components_of(FALIGN_F64, rows, POINTS, numbers, 5);
    for (size_t k = 0; k < 5; k++) {
      ck_assert(part(found, FALIGN_COMPONENT_VARIANCE, 0)[k] == 0);
      ck_assert(isnan(part(found, FALIGN_COMPONENT_EXPLAINED, 0)[k]));
    }
    ck_assert_mem_eq(mean_of(found), rows, numbers * sizeof *rows);
    check_directions(found, numbers);
    falign_components_destroy(found);
  }
}
END_TEST

/* Deviations that fall steeply from five coordinates to the next five: the matrix tells the sixth direction badly, or
 * only with rounding errors of the first ones that are larger than the direction itself. */
START_TEST(steep_deviations) {
  enum { POINTS = 7, NUMBERS = 30 };
  const double steps[] = {1e-4, 1e-24};
  double rows[POINTS * NUMBERS];
  skip_unless(have_lapack(), no_lapack);
  for (int s = 0; s < 2; s++) {
    gaussian(rows, POINTS * NUMBERS, 1, 1);
    for (size_t i = 0; i < POINTS * NUMBERS; i++) rows[i] *= pow(steps[s], (double)(i % NUMBERS / 5));
    falign_components *found = components_of(FALIGN_F64, rows, POINTS, NUMBERS, POINTS - 1);
    check_directions(found, NUMBERS);
    for (size_t k = 0; k < POINTS - 1; k++) ck_assert(part(found, FALIGN_COMPONENT_VARIANCE, 0)[k] >= 0);
    falign_components_destroy(found);
  }
}
END_TEST

/* ---- Projections ---- */

static falign_components *random_components(size_t points, size_t numbers, size_t count) {
  draw_points(FALIGN_F64, points, numbers);
  return components_of(FALIGN_F64, plain_pca.points, points, numbers, count);
}

START_TEST(projections) {
  enum { NUMBERS = 30, COUNT = 3 };
  double x[NUMBERS], y[NUMBERS], sum[NUMBERS], of_x[COUNT], of_y[COUNT], of_sum[COUNT], point[NUMBERS];
  skip_unless(have_lapack(), no_lapack);
  falign_components *found = random_components(8, NUMBERS, COUNT);
  const double *mean = mean_of(found);
  gaussian(x, NUMBERS, 1, 1);
  gaussian(y, NUMBERS, 1, 2);
  for (size_t j = 0; j < NUMBERS; j++) sum[j] = x[j] + y[j];
  ok(falign_components_project(found, READ_F64(x, 1, NUMBERS, NUMBERS), WRITE_F64(of_x, 1, COUNT, COUNT)));
  ok(falign_components_project_direction(found, READ_F64(y, 1, NUMBERS, NUMBERS), WRITE_F64(of_y, 1, COUNT, COUNT)));
  ok(falign_components_project(found, READ_F64(sum, 1, NUMBERS, NUMBERS), WRITE_F64(of_sum, 1, COUNT, COUNT)));
  ok(falign_components_point(found, READ_F64(of_x, 1, COUNT, COUNT), WRITE_F64(point, 1, NUMBERS, NUMBERS)));
  for (size_t i = 0; i < COUNT; i++) {
    const double *direction = direction_of(found, i);
    double tolerance = NUMBERS * 10 * DBL_EPSILON; /* of coordinates up to 10 */
    near(of_x[i], dot(x, direction, NUMBERS) - dot(mean, direction, NUMBERS), tolerance);
    near(of_y[i], dot(y, direction, NUMBERS), tolerance);
    near(of_sum[i], of_x[i] + of_y[i], tolerance);
  }
  for (size_t j = 0; j < NUMBERS; j++) {
    double want = mean[j];
    for (size_t i = 0; i < COUNT; i++) want += of_x[i] * direction_of(found, i)[j];
    near(point[j], want, 10 * DBL_EPSILON * 10);
  }
  falign_components_destroy(found);
}
END_TEST

/* A network is the point of its weights and biases; B[l]^T takes the places of W[l], and 0 all others. */
START_TEST(networks_and_feedback) {
  enum { D = 3, COUNT = 4 };
  const size_t n[] = {4, 5, 3, 2};
  skip_unless(have_lapack(), no_lapack);
  for (int choice = 0; choice < 4; choice++) {
    falign_precision precision = choice % 2 ? FALIGN_F64 : FALIGN_F32;
    bool biases = choice / 2;
    learner by = new_learner(new_network(precision, D, n, biases, TANH), "fa", 1, 5, 0);
    size_t numbers = falign_network_parameters(by.network), at = n[0] * n[1] + (biases ? n[1] : 0);
    ck_assert_uint_eq(numbers, 4 * 5 + 5 * 3 + 3 * 2 + (biases ? 10 : 0));
    falign_components *found = random_components(COUNT + 1, numbers, COUNT);
    double *point = parameters(by.network), got[COUNT], want[COUNT], back[MAX_WIDTH * MAX_WIDTH];
    falign_view all;
    ok(falign_network_view(by.network, FALIGN_PARAMETERS, 0, &all));
    ok(falign_components_project(found, &all, WRITE_F64(got, 1, COUNT, COUNT)));
    ok(falign_components_project(found, READ_F64(point, 1, numbers, numbers), WRITE_F64(want, 1, COUNT, COUNT)));
    ck_assert_mem_eq(got, want, sizeof got);
    memset(point, 0, numbers * sizeof *point);
    for (uint32_t l = 1; l < D; l++) {
      get_feedback(by.network, by.rule, l, back);
      for (size_t i = 0; i < n[l]; i++)
        for (size_t j = 0; j < n[l + 1]; j++) point[at++] = back[j * n[l] + i];
      if (biases) at += n[l + 1];
    }
    ck_assert_uint_eq(at, numbers);
    ok(falign_components_project_feedback(found, by.network, by.rule, WRITE_F64(got, 1, COUNT, COUNT)));
    ok(falign_components_project(found, READ_F64(point, 1, numbers, numbers), WRITE_F64(want, 1, COUNT, COUNT)));
    ck_assert_mem_eq(got, want, sizeof got);
    free(point);
    falign_components_destroy(found);
    free_learner(&by);
  }
}
END_TEST

/* ---- Errors ---- */

START_TEST(bad_components) {
  double rows[8] = {1, 2, 3, 4, 5, 6, 7, 8}, far[4] = {1e200, 0, -1e200, 0};
  falign_trajectory *one = new_trajectory(FALIGN_F64, rows, 1, 2), *four = new_trajectory(FALIGN_F64, rows, 4, 2);
  falign_trajectory *two = new_trajectory(FALIGN_F64, rows, 2, 4), *wide = new_trajectory(FALIGN_F64, far, 2, 2);
  falign_components *found = NULL;
  fails(FALIGN_INVALID, "need two points, the trajectory has 1", falign_components_create(one, 1, &found));
  fails(FALIGN_INVALID, "4 points of 2 coordinates have 1 to 2 components, not 0",
        falign_components_create(four, 0, &found));
  fails(FALIGN_INVALID, "1 to 2 components, not 3", falign_components_create(four, 3, &found));
  fails(FALIGN_INVALID, "2 points of 4 coordinates have 1 to 1 components, not 2",
        falign_components_create(two, 2, &found));
  fails(FALIGN_INVALID, "trajectory is NULL", falign_components_create(NULL, 1, &found));
  fails(FALIGN_INVALID, "out is NULL", falign_components_create(four, 1, NULL));
  if (have_lapack()) fails(FALIGN_INVALID, "beyond double precision", falign_components_create(wide, 1, &found));
  ck_assert_ptr_null(found);
  falign_components_destroy(NULL);
  falign_trajectory_destroy(one);
  falign_trajectory_destroy(two);
  falign_trajectory_destroy(four);
  falign_trajectory_destroy(wide);
}
END_TEST

START_TEST(parts_of_components) {
  skip_unless(have_lapack(), no_lapack);
  falign_components *found = random_components(4, 3, 2);
  const struct {
    falign_component what;
    size_t rows, cols;
  } parts[] = {{FALIGN_COMPONENT_DIRECTIONS, 2, 3},
               {FALIGN_COMPONENT_MEAN, 1, 3},
               {FALIGN_COMPONENT_VARIANCE, 1, 2},
               {FALIGN_COMPONENT_EXPLAINED, 1, 2}};
  falign_view view;
  for (size_t i = 0; i < 4; i++) {
    ok(falign_components_view(found, parts[i].what, &view));
    ck_assert(view.rows == parts[i].rows && view.cols == parts[i].cols && view.precision == FALIGN_F64);
    ck_assert(view.row_step == (ptrdiff_t)parts[i].cols && view.col_step == 1);
  }
  view.rows = 42;
  fails(FALIGN_INVALID, "unknown part of the components 0", falign_components_view(found, 0, &view));
  fails(FALIGN_INVALID, "unknown part of the components 5", falign_components_view(found, 5, &view));
  fails(FALIGN_INVALID, "components is NULL", falign_components_view(NULL, FALIGN_COMPONENT_MEAN, &view));
  fails(FALIGN_INVALID, "out is NULL", falign_components_view(found, FALIGN_COMPONENT_MEAN, NULL));
  ck_assert_uint_eq(view.rows, 42);
  falign_components_destroy(found);
}
END_TEST

/* Several rows at once, in matrices of any layout and precision, are as each row alone. */
START_TEST(several_rows) {
  enum { ROWS = 4, NUMBERS = 30, COUNT = 3 };
  double points[ROWS * NUMBERS], coordinates[ROWS * COUNT], directions[ROWS * COUNT], back[ROWS * NUMBERS];
  static layout_room rooms[2];
  skip_unless(have_lapack(), no_lapack);
  falign_components *found = random_components(8, NUMBERS, COUNT);
  gaussian(points, ROWS * NUMBERS, 1, 1);
  round_as(FALIGN_F32, points, ROWS * NUMBERS);
  for (size_t i = 0; i < ROWS; i++) {
    const falign_view point = falign_view_f64(points + i * NUMBERS, 1, NUMBERS);
    ok(falign_components_project(found, &point, WRITE_F64(coordinates + i * COUNT, 1, COUNT, COUNT)));
    ok(falign_components_project_direction(found, &point, WRITE_F64(directions + i * COUNT, 1, COUNT, COUNT)));
  }
  double single[ROWS * COUNT];
  memcpy(single, coordinates, sizeof single);
  round_as(FALIGN_F32, single, ROWS * COUNT);
  for (size_t i = 0; i < ROWS; i++)
    ok(falign_components_point(found, READ_F64(single + i * COUNT, 1, COUNT, COUNT),
                               WRITE_F64(back + i * NUMBERS, 1, NUMBERS, NUMBERS)));
  for (int layout = 0; layout < LAYOUTS; layout++) {
    falign_precision precision = layout & 1 ? FALIGN_F64 : FALIGN_F32, other = layout & 1 ? FALIGN_F32 : FALIGN_F64;
    falign_view from = lay_out_copy(&rooms[0], layout, precision, ROWS, NUMBERS, points);
    falign_matrix to = lay_out(&rooms[1], LAYOUTS - 1 - layout, other, ROWS, COUNT, 42);
    ok(falign_components_project(found, &from, &to));
    ck_assert(holds(&rooms[1], &to, 42, coordinates));
    to = lay_out(&rooms[1], LAYOUTS - 1 - layout, other, ROWS, COUNT, 42);
    ok(falign_components_project_direction(found, &from, &to));
    ck_assert(holds(&rooms[1], &to, 42, directions));
    from = lay_out_copy(&rooms[0], layout, precision, ROWS, COUNT, single);
    to = lay_out(&rooms[1], LAYOUTS - 1 - layout, other, ROWS, NUMBERS, 42);
    ok(falign_components_point(found, &from, &to));
    ck_assert(holds(&rooms[1], &to, 42, back));
  }
  falign_components_destroy(found);
}
END_TEST

START_TEST(bad_projections) {
  const size_t n[] = {1, 2, 1}, others[] = {1, 1, 2, 1};
  double x[8] = {0}, out[2] = {42, 42};
  skip_unless(have_lapack(), no_lapack);
  falign_components *found = random_components(4, 4, 2), *large = random_components(4, 5, 2);
  learner by = new_learner(new_network(FALIGN_F64, 2, n, false, TANH), "fa", 1, 5, 0);
  learner other = new_learner(new_network(FALIGN_F64, 3, others, false, TANH), "fa", 1, 5, 0);
  falign_rule *bp = NULL, *dfa = NULL;
  ok(falign_rule_create("bp", by.network, &bp));
  ok(falign_rule_create("dfa", by.network, &dfa));
  const falign_view point = falign_view_f64(x, 1, 4), rows = falign_view_f64(x, 2, 4);
  const falign_matrix to = falign_matrix_f64(out, 1, 2), to_point = falign_matrix_f64(x, 1, 4);
  falign_view of_network;
  ok(falign_network_view(by.network, FALIGN_PARAMETERS, 0, &of_network));
  fails(FALIGN_SHAPE, "points is 1 x 4, got 1 x 3", falign_components_project(found, READ_F64(x, 1, 3, 3), &to));
  fails(FALIGN_SHAPE, "points is 4 x 4, got 4 x 1", falign_components_project(found, READ_F64(x, 4, 1, 1), &to));
  fails(FALIGN_SHAPE, "points is 1 x 5, got 1 x 4", falign_components_project(large, &of_network, &to));
  fails(FALIGN_SHAPE, "coordinates is 1 x 2, got 1 x 1",
        falign_components_project(found, &point, WRITE_F64(out, 1, 1, 1)));
  fails(FALIGN_SHAPE, "coordinates is 2 x 2, got 1 x 2", falign_components_project(found, &rows, &to));
  fails(FALIGN_SHAPE, "directions is 1 x 4, got 1 x 5",
        falign_components_project_direction(found, READ_F64(x, 1, 5, 5), &to));
  fails(FALIGN_SHAPE, "coordinates is 1 x 2, got 1 x 3",
        falign_components_project_direction(found, &point, WRITE_F64(out, 1, 3, 3)));
  fails(FALIGN_SHAPE, "coordinates is 2 x 2, got 1 x 2", falign_components_project_direction(found, &rows, &to));
  fails(FALIGN_SHAPE, "the components have 5 coordinates, but the network has 4 parameters",
        falign_components_project_feedback(large, by.network, by.rule, &to));
  fails(FALIGN_SHAPE, "coordinates is 1 x 2, got 2 x 2",
        falign_components_project_feedback(found, by.network, by.rule, WRITE_F64(x, 2, 2, 2)));
  fails(FALIGN_SHAPE, "rule fa was made for 3 layers",
        falign_components_project_feedback(found, by.network, other.rule, &to));
  fails(FALIGN_UNSUPPORTED, "rule bp has no B[l]", falign_components_project_feedback(found, by.network, bp, &to));
  fails(FALIGN_UNSUPPORTED, "rule dfa has no B[l]", falign_components_project_feedback(found, by.network, dfa, &to));
  fails(FALIGN_SHAPE, "coordinates is 1 x 2, got 1 x 3",
        falign_components_point(found, READ_F64(x, 1, 3, 3), &to_point));
  fails(FALIGN_SHAPE, "points is 1 x 4, got 1 x 2", falign_components_point(found, READ_F64(x, 1, 2, 2), &to));
  fails(FALIGN_SHAPE, "points is 2 x 4, got 1 x 4", falign_components_point(found, READ_F64(x, 2, 2, 2), &to_point));
  fails(FALIGN_INVALID, "points is 2 x 4 with invalid steps: 3 from row to row, 1 from column to column",
        falign_components_project(found, READ_F64(x, 2, 4, 3), &to));
  fails(FALIGN_INVALID, "coordinates is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_components_project(found, &rows, WRITE_F64(out, 2, 2, 1)));
  fails(FALIGN_INVALID, "components is NULL", falign_components_project(NULL, &point, &to));
  fails(FALIGN_INVALID, "points is NULL", falign_components_project(found, NULL, &to));
  fails(FALIGN_INVALID, "coordinates is NULL", falign_components_project(found, &point, NULL));
  fails(FALIGN_INVALID, "components is NULL", falign_components_project_direction(NULL, &point, &to));
  fails(FALIGN_INVALID, "directions is NULL", falign_components_project_direction(found, NULL, &to));
  fails(FALIGN_INVALID, "coordinates is NULL", falign_components_project_direction(found, &point, NULL));
  fails(FALIGN_INVALID, "network is NULL", falign_components_project_feedback(found, NULL, by.rule, &to));
  fails(FALIGN_INVALID, "rule is NULL", falign_components_project_feedback(found, by.network, NULL, &to));
  fails(FALIGN_INVALID, "coordinates is NULL", falign_components_project_feedback(found, by.network, by.rule, NULL));
  fails(FALIGN_INVALID, "components is NULL", falign_components_point(NULL, READ_F64(out, 1, 2, 2), &to_point));
  fails(FALIGN_INVALID, "coordinates is NULL", falign_components_point(found, NULL, &to_point));
  fails(FALIGN_INVALID, "points is NULL", falign_components_point(found, READ_F64(out, 1, 2, 2), NULL));
  ck_assert(out[0] == 42 && out[1] == 42);
  falign_rule_destroy(bp);
  falign_rule_destroy(dfa);
  free_learner(&by);
  free_learner(&other);
  falign_components_destroy(found);
  falign_components_destroy(large);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, points_are_counted);
  tcase_add_test(tests, points_are_read_back);
  tcase_add_test(tests, bad_points);
  tcase_add_test(tests, order_of_coordinates);
  tcase_add_test(tests, covariance_by_jacobi);
  tcase_add_test(tests, all_components);
  tcase_add_test(tests, ellipse);
  tcase_add_test(tests, fewer_dimensions_than_components);
  tcase_add_test(tests, steep_deviations);
  tcase_add_test(tests, projections);
  tcase_add_test(tests, networks_and_feedback);
  tcase_add_test(tests, bad_components);
  tcase_add_test(tests, parts_of_components);
  tcase_add_test(tests, several_rows);
  tcase_add_test(tests, bad_projections);
}

int main(void) { return run_suite("trajectory", add_tests); }
