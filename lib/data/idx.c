/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/dataset.h"
#include "files/file.h"

/* A plain or gz file being read. gzopen() would ignore bytes after the compressed data. */
typedef struct {
  const char *path;
  fal_source file;
  bool gz, member_ended; /* a gz file has one member or more */
  z_stream stream;       /* its input is what is left in `buffer` */
  uint8_t buffer[1 << 14];
} source;

/* Fills an empty buffer; it stays empty at the end of the file. */
static falign_status refill(source *from) {
  if (from->stream.avail_in > 0) return FALIGN_OK;
  size_t got;
  FAL_TRY(fal_source_read_some(&from->file, from->buffer, sizeof from->buffer, &got));
  from->stream.next_in = from->buffer;
  from->stream.avail_in = (uInt)got;
  return FALIGN_OK;
}

static void copy_some(source *from) {
  z_stream *stream = &from->stream;
  uInt count = stream->avail_in < stream->avail_out ? stream->avail_in : stream->avail_out;
  memcpy(stream->next_out, stream->next_in, count);
  stream->next_in += count;
  stream->next_out += count;
  stream->avail_in -= count;
  stream->avail_out -= count;
}

static falign_status inflate_some(source *from) {
  if (from->member_ended) inflateReset(&from->stream);
  int result = inflate(&from->stream, Z_NO_FLUSH);
  from->member_ended = result == Z_STREAM_END;
  if (result == Z_OK || result == Z_STREAM_END) return FALIGN_OK;
  if (result == Z_MEM_ERROR) return fal_fail(FALIGN_MEMORY, "no memory to inflate %s", from->path);
  return fal_fail(FALIGN_FORMAT, "%s is a corrupt gz file: %s", from->path,
                  from->stream.msg ? from->stream.msg : zError(result));
}

/* Reads `want` bytes, or fewer at the end of the content. */
static falign_status source_read(source *from, uint8_t *to, size_t want, size_t *got) {
  z_stream *stream = &from->stream;
  for (*got = 0; *got < want;) {
    FAL_TRY(refill(from));
    if (stream->avail_in == 0) {
      if (!from->gz || from->member_ended) return FALIGN_OK;
      return fal_fail(FALIGN_FORMAT, "%s is a truncated gz file", from->path);
    }
    uInt room = want - *got < UINT_MAX ? (uInt)(want - *got) : UINT_MAX;
    stream->next_out = to + *got;
    stream->avail_out = room;
    if (from->gz) {
      FAL_TRY(inflate_some(from));
    } else {
      copy_some(from);
    }
    *got += room - stream->avail_out;
  }
  return FALIGN_OK;
}

/* Detects a gz file by its first bytes. */
static falign_status source_start(source *from) {
  FAL_TRY(refill(from));
  from->gz = from->stream.avail_in >= 2 && from->buffer[0] == 0x1f && from->buffer[1] == 0x8b;
  if (from->gz && inflateInit2(&from->stream, 16 + MAX_WBITS) != Z_OK)
    return fal_fail(FALIGN_MEMORY, "no memory to inflate %s", from->path);
  return FALIGN_OK;
}

/* The header: magic number 0 0 8 rank (8: unsigned bytes), then the dimensions as big-endian 32-bit numbers. */
static falign_status read_idx_header(source *from, size_t rank, size_t *dims, size_t *size) {
  uint8_t header[16];
  size_t want = 4 + 4 * rank, got;
  FAL_TRY(source_read(from, header, 4, &got));
  if (got == 4 && (header[0] != 0 || header[1] != 0 || header[2] != 8))
    return fal_fail(FALIGN_FORMAT, "%s is not an IDX file of bytes: it begins with %02x %02x %02x, not 00 00 08",
                    from->path, header[0], header[1], header[2]);
  if (got == 4 && header[3] != rank)
    return fal_fail(FALIGN_FORMAT, "%s has %d dimensions, not %zu", from->path, header[3], rank);
  if (got == 4) {
    FAL_TRY(source_read(from, header + 4, want - 4, &got));
    got += 4;
  }
  if (got < want) return fal_fail(FALIGN_FORMAT, "%s ends within its header, after %zu bytes", from->path, got);
  *size = 1;
  for (size_t i = 0; i < rank; i++) {
    const uint8_t *b = header + 4 + 4 * i;
    dims[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    if (dims[i] == 0) return fal_fail(FALIGN_FORMAT, "%s is empty: dimension %zu is 0", from->path, i);
    if (!fal_mul(*size, dims[i], size))
      return fal_fail(FALIGN_FORMAT, "%s has dimensions whose product overflows", from->path);
  }
  return FALIGN_OK;
}

/* Reads `size` bytes into memory that grows with them, since the header may declare more than the file has. */
static falign_status read_bytes(source *from, size_t size, uint8_t **data) {
  for (size_t held = 0, room = 1 << 20; held < size; room = held) {
    if (room > size - held) room = size - held;
    uint8_t *grown = realloc(*data, held + room);
    if (!grown) return fal_fail_memory(from->path, held + room, 1);
    *data = grown;
    size_t got;
    FAL_TRY(source_read(from, grown + held, room, &got));
    held += got;
    if (got < room)
      return fal_fail(FALIGN_FORMAT, "%s has %zu bytes of data, but its header declares %zu", from->path, held, size);
  }
  return FALIGN_OK;
}

static falign_status check_end(source *from, size_t size) {
  uint8_t extra;
  size_t got;
  FAL_TRY(source_read(from, &extra, 1, &got));
  if (got) return fal_fail(FALIGN_FORMAT, "%s has more than the %zu bytes its header declares", from->path, size);
  return FALIGN_OK;
}

static falign_status read_source(source *from, size_t rank, size_t *dims, uint8_t **data) {
  size_t size;
  FAL_TRY(source_start(from));
  FAL_TRY(read_idx_header(from, rank, dims, &size));
  FAL_TRY(read_bytes(from, size, data));
  return check_end(from, size);
}

/* Reads an array of `rank` dimensions; the caller frees `data`. */
static falign_status read_array(const char *path, size_t rank, size_t *dims, uint8_t **data) {
  source from = {.path = path};
  FAL_TRY(fal_source_open(path, &from.file));
  *data = NULL;
  falign_status status = read_source(&from, rank, dims, data);
  if (from.gz) inflateEnd(&from.stream);
  fal_source_close(&from.file);
  if (status != FALIGN_OK) free(*data);
  return status;
}

/* The largest image_size s for which a resized pixel, an integer over (2 s)^2 * 255, is an int32_t. */
enum { MAX_IMAGE_SIZE = 1450 };

/* The interpolation of a resized pixel along one axis: ((2 s - weight) * low + weight * high) / (2 s). */
typedef struct {
  size_t low, high;
  int32_t weight;
} tap;

/* Source coordinates are (i + 0.5) * length / size - 0.5, integers over 2 * size. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): from and to */
static void fill_taps(tap *taps, size_t size, size_t length) {
  uint64_t unit = 2 * (uint64_t)size;
  for (size_t i = 0; i < size; i++) {
    uint64_t above = (2 * (uint64_t)i + 1) * length;
    uint64_t coordinate = above > size ? above - size : 0;
    size_t low = (size_t)(coordinate / unit);
    taps[i] = (tap){.low = low, .high = low + 1 < length ? low + 1 : low, .weight = (int32_t)(coordinate % unit)};
  }
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): rows before columns */
static void resize_image(const uint8_t *image, size_t width, const tap *down, const tap *across, size_t size,
                         int32_t *out) {
  int32_t unit = 2 * (int32_t)size;
  for (size_t i = 0; i < size; i++) {
    const uint8_t *low = image + down[i].low * width, *high = image + down[i].high * width;
    for (size_t j = 0; j < size; j++) {
      const tap *t = &across[j];
      int32_t upper = (unit - t->weight) * low[t->low] + t->weight * low[t->high];
      int32_t lower = (unit - t->weight) * high[t->low] + t->weight * high[t->high];
      out[i * size + j] = (unit - down[i].weight) * upper + down[i].weight * lower;
    }
  }
}

/* Replaces the images of a dataset, dims[0] x dims[1] x dims[2] bytes, with resized ones. */
static falign_status resize_images(falign_dataset *dataset, const size_t *dims, size_t size) {
  size_t pixels = size * size;
  tap *taps = fal_alloc(2 * size, sizeof *taps);
  int32_t *resized = fal_alloc_matrix(dims[0], pixels, sizeof *resized);
  if (!taps || !resized) {
    free(taps);
    free(resized);
    return fal_fail_memory("resized images", dims[0], pixels * sizeof *resized);
  }
  tap *down = taps, *across = taps + size;
  fill_taps(down, size, dims[1]);
  fill_taps(across, size, dims[2]);
  const uint8_t *images = dataset->inputs.data;
  for (size_t i = 0; i < dims[0]; i++)
    resize_image(images + i * dims[1] * dims[2], dims[2], down, across, size, resized + i * pixels);
  free(taps);
  free(dataset->inputs.data);
  dataset->inputs = (fal_rows){
      .data = resized, .width = pixels, .storage = FAL_STORED_I32, .denominator = 4.0 * 255 * (double)pixels};
  return FALIGN_OK;
}

static falign_status read_images(falign_dataset *dataset, const char *path, size_t image_size) {
  size_t dims[3];
  uint8_t *data;
  FAL_TRY(read_array(path, 3, dims, &data));
  dataset->shape.points = dims[0];
  dataset->inputs = (fal_rows){.data = data, .width = dims[1] * dims[2], .storage = FAL_STORED_U8, .denominator = 255};
  return image_size ? resize_images(dataset, dims, image_size) : FALIGN_OK;
}

static falign_status take_labels(falign_dataset *dataset, const char *path, const uint8_t *labels,
                                 uint32_t categories) {
  for (size_t i = 0; i < dataset->shape.points; i++) {
    if (labels[i] >= categories)
      return fal_fail(FALIGN_FORMAT, "%s has the label %d at index %zu, but there are %u categories", path, labels[i],
                      i, categories);
  }
  dataset->labels = fal_alloc(dataset->shape.points, sizeof *dataset->labels);
  if (!dataset->labels) return fal_fail_memory("labels", dataset->shape.points, sizeof *dataset->labels);
  for (size_t i = 0; i < dataset->shape.points; i++) dataset->labels[i] = labels[i];
  dataset->shape.categories = categories;
  return FALIGN_OK;
}

static falign_status read_both(falign_dataset *dataset, const char *images, const char *labels, size_t image_size,
                               uint32_t categories) {
  size_t count;
  uint8_t *data;
  FAL_TRY(read_images(dataset, images, image_size));
  FAL_TRY(read_array(labels, 1, &count, &data));
  falign_status status = count == dataset->shape.points
                             ? take_labels(dataset, labels, data, categories)
                             : fal_fail(FALIGN_FORMAT, "%s has %zu labels, but %s has %zu images", labels, count,
                                        images, dataset->shape.points);
  free(data);
  return status;
}

falign_status falign_dataset_read_idx(const char *images, const char *labels, size_t image_size, uint32_t categories,
                                      falign_dataset **out) {
  FAL_GIVEN(images);
  FAL_GIVEN(labels);
  FAL_GIVEN(out);
  if (categories == 0) return fal_fail(FALIGN_INVALID, "categories is 0");
  if (image_size > MAX_IMAGE_SIZE)
    return fal_fail(FALIGN_INVALID, "image_size is %zu, above %d", image_size, MAX_IMAGE_SIZE);
  falign_dataset *dataset = fal_dataset_new();
  if (!dataset) return fal_fail_memory("a dataset", 1, sizeof *dataset);
  return fal_dataset_finish(dataset, read_both(dataset, images, labels, image_size, categories), out);
}

/* Finds the path, which the caller frees, of an MNIST file: gz or plain, with either spelling of its name. */
static falign_status find_file(const char *directory, const char *stem, const char *kind, char **out) {
  static const char *const endings[] = {".gz", ""};
  size_t size = strlen(directory) + strlen(stem) + strlen(kind) + sizeof "/-.gz";
  char *path = fal_alloc(size, 1);
  if (!path) return fal_fail_memory("a path", size, 1);
  *out = path;
  for (const char *separator = "-."; *separator; separator++) {
    for (int i = 0; i < 2; i++) {
      snprintf(path, size, "%s/%s%c%s%s", directory, stem, *separator, kind, endings[i]);
      if (fal_file_exists(path)) return FALIGN_OK;
    }
  }
  free(path);
  return fal_fail(FALIGN_IO, "there is neither %s/%s-%s.gz nor %s/%s-%s (nor either as %s.%s)", directory, stem, kind,
                  directory, stem, kind, stem, kind);
}

falign_status falign_dataset_read_mnist(const char *directory, falign_part part, size_t image_size,
                                        falign_dataset **out) {
  FAL_GIVEN(directory);
  FAL_GIVEN(out);
  FAL_TRY(fal_dataset_check_part(part));
  bool train = part == FALIGN_TRAIN;
  char *images, *labels;
  FAL_TRY(find_file(directory, train ? "train-images" : "t10k-images", "idx3-ubyte", &images));
  falign_status status = find_file(directory, train ? "train-labels" : "t10k-labels", "idx1-ubyte", &labels);
  if (status == FALIGN_OK) {
    status = falign_dataset_read_idx(images, labels, image_size, 10, out);
    free(labels);
  }
  free(images);
  return status;
}
