/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "files/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, MAX_LINKS = 40 };

struct fal_file {
  char *path;      /* as given by the caller */
  char *target;    /* the file to replace; NULL if it is written directly */
  char *temporary; /* the file that is written; NULL if there is none */
  int fd;
  int error; /* errno of the first failure */
  size_t used;
  char buffer[BUFFER];
};

static falign_status fail_io(const char *verb, const char *path, int error) {
  char reason[128];
  if (strerror_r(error, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", error);
  return fal_fail(error == ENOMEM ? FALIGN_MEMORY : FALIGN_IO, "cannot %s %s: %s", verb, path, reason);
}

static int open_file(const char *path, int flags, int *fd) {
  do {
    *fd = open(path, flags | O_CLOEXEC, 0666);
  } while (*fd < 0 && errno == EINTR);
  return *fd < 0 ? errno : 0;
}

/* Returns the length of "a/b/" in "a/b/c". */
static size_t directory_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Finds the path that a symbolic link leads to. */
static int follow_link(const char *link, char **out) {
  size_t prefix = directory_length(link);
  for (size_t room = 256;; room *= 2) {
    char *path = fal_alloc(prefix + room, 1);
    if (!path) return ENOMEM;
    ssize_t length = readlink(link, path + prefix, room);
    if (length >= 0 && (size_t)length < room) {
      memcpy(path, link, prefix);
      path[prefix + (size_t)length] = '\0';
      if (path[prefix] == '/') memmove(path, path + prefix, (size_t)length + 1);
      *out = path;
      return 0;
    }
    int error = errno;
    free(path);
    if (length < 0) return error;
  }
}

/* Follows symbolic links to the path to replace, which need not exist. */
static int resolve_links(const char *path, char **out) {
  char *target = fal_strdup(path);
  if (!target) return ENOMEM;
  for (int links = 0; links < MAX_LINKS; links++) {
    struct stat status;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): if follow_link() fails, errno is not 0 */
    if (lstat(target, &status) != 0 || !S_ISLNK(status.st_mode)) {
      *out = target;
      return 0;
    }
    char *next = NULL;
    int error = follow_link(target, &next);
    free(target);
    if (error) return error;
    target = next;
  }
  free(target);
  return ELOOP;
}

/* Creates a file with a unique name in the directory of the target. */
static int create_temporary(fal_file *file) {
  static atomic_uint counter;
  size_t prefix = directory_length(file->target), size = prefix + 64;
  file->temporary = fal_alloc(size, 1);
  if (!file->temporary) return ENOMEM;
  memcpy(file->temporary, file->target, prefix);
  int error;
  do {
    snprintf(file->temporary + prefix, size - prefix, ".falign-%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
    error = open_file(file->temporary, O_WRONLY | O_CREAT | O_EXCL, &file->fd);
  } while (error == EEXIST);
  if (error) {
    free(file->temporary);
    file->temporary = NULL;
  }
  return error;
}

/* /dev/stdout may lead to a regular file, which must not be replaced; /dev/shm is an ordinary directory. */
static bool is_system_path(const char *path) {
  if (strncmp(path, "/proc/", 6) == 0) return true;
  return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0;
}

static int open_target(fal_file *file) {
  struct stat old;
  bool exists = stat(file->path, &old) == 0;
  if (!exists && errno != ENOENT) return errno;
  if (exists && S_ISDIR(old.st_mode)) return EISDIR;
  if (is_system_path(file->path) || (exists && !S_ISREG(old.st_mode)))
    return open_file(file->path, O_WRONLY | O_APPEND, &file->fd);
  int error = resolve_links(file->path, &file->target);
  if (!error) error = create_temporary(file);
  if (!error && exists && fchmod(file->fd, old.st_mode & 0777) != 0) error = errno;
  return error;
}

static int write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, data, size);
    if (written < 0 && errno != EINTR) return errno;
    if (written < 0) continue;
    data += written;
    size -= (size_t)written;
  }
  return 0;
}

/* Succeeds for a file that cannot be synchronized, such as a pipe. */
static int sync_file(int fd) {
  while (fsync(fd) != 0) {
    if (errno == EINVAL || errno == ENOTSUP || errno == ENOSYS) return 0;
    if (errno != EINTR) return errno;
  }
  return 0;
}

/* Makes a rename permanent. A directory that cannot be read is left to the system. */
static int sync_directory_of(char *path) {
  size_t length = directory_length(path);
  path[length] = '\0';
  int fd, error = open_file(length ? path : ".", O_RDONLY | O_DIRECTORY, &fd);
  if (error) return error == EACCES ? 0 : error;
  error = sync_file(fd);
  close(fd);
  return error;
}

static void flush_file(fal_file *file) {
  if (!file->error) file->error = write_all(file->fd, file->buffer, file->used);
  file->used = 0;
}

void fal_file_put(fal_file *file, const void *data, size_t size) {
  if (size > BUFFER - file->used) flush_file(file);
  if (size > BUFFER) {
    if (!file->error) file->error = write_all(file->fd, data, size);
    return;
  }
  memcpy(file->buffer + file->used, data, size);
  file->used += size;
}

void fal_file_put_text(fal_file *file, const char *text) { fal_file_put(file, text, strlen(text)); }

/* Renames the temporary file to the target, or removes it after an error. */
static int finish_temporary(fal_file *file, int error) {
  if (!error && rename(file->temporary, file->target) != 0) error = errno;
  if (!error) return sync_directory_of(file->temporary);
  unlink(file->temporary);
  return error;
}

static void free_file(fal_file *file) {
  free(file->path);
  free(file->target);
  free(file->temporary);
  free(file);
}

falign_status fal_file_close(fal_file *file) {
  flush_file(file);
  int error = file->error ? file->error : sync_file(file->fd);
  if (close(file->fd) != 0 && errno != EINTR && !error) error = errno;
  if (file->temporary) error = finish_temporary(file, error);
  falign_status status = error ? fail_io("write", file->path, error) : FALIGN_OK;
  free_file(file);
  return status;
}

/* Makes a fal_file that is not open yet. */
static falign_status allocate_file(const char *path, fal_file **out) {
  fal_file *file = fal_zalloc(1, sizeof *file);
  if (!file) return fal_fail_memory("a file's buffer", 1, sizeof *file);
  file->fd = -1;
  file->path = fal_strdup(path);
  if (!file->path) {
    free_file(file);
    return fal_fail_memory("a path", strlen(path) + 1, 1);
  }
  *out = file;
  return FALIGN_OK;
}

falign_status fal_file_create(const char *path, fal_file **out) {
  fal_file *file;
  FAL_TRY(allocate_file(path, &file));
  file->error = open_target(file);
  if (file->fd < 0) {
    falign_status status = fail_io("write", path, file->error);
    free_file(file);
    return status;
  }
  if (file->error) return fal_file_close(file);
  *out = file;
  return FALIGN_OK;
}

falign_status fal_file_attach(int descriptor, fal_file **out) {
  char name[32] = "standard output";
  fal_file *file;
  if (descriptor != STDOUT_FILENO) snprintf(name, sizeof name, "descriptor %d", descriptor);
  FAL_TRY(allocate_file(name, &file));
  file->fd = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file->fd < 0) {
    falign_status status = fail_io("write", name, errno);
    free_file(file);
    return status;
  }
  *out = file;
  return FALIGN_OK;
}

static falign_status check_source(const char *path, int fd, size_t *size) {
  struct stat status;
  if (fstat(fd, &status) != 0) return fail_io("read", path, errno);
  if (S_ISDIR(status.st_mode)) return fail_io("read", path, EISDIR);
  if (!S_ISREG(status.st_mode)) return fal_fail(FALIGN_IO, "cannot read %s: it is not a regular file", path);
  if ((uintmax_t)status.st_size > PTRDIFF_MAX) return fail_io("read", path, EFBIG);
  *size = (size_t)status.st_size;
  return FALIGN_OK;
}

falign_status fal_source_open(const char *path, fal_source *source) {
  source->path = path;
  int error = open_file(path, O_RDONLY | O_NONBLOCK, &source->fd); /* does not wait for a pipe's writer */
  if (error) return fail_io("read", path, error);
  falign_status status = check_source(path, source->fd, &source->size);
  if (status != FALIGN_OK) fal_source_close(source);
  return status;
}

falign_status fal_source_read_some(fal_source *source, void *out, size_t size, size_t *got) {
  ssize_t length;
  do {
    length = read(source->fd, out, size);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return fail_io("read", source->path, errno);
  *got = (size_t)length;
  return FALIGN_OK;
}

falign_status fal_source_read(fal_source *source, void *out, size_t size) {
  char *to = out;
  for (size_t got; size > 0; to += got, size -= got) {
    FAL_TRY(fal_source_read_some(source, to, size, &got));
    if (got == 0) return fal_fail(FALIGN_IO, "cannot read %s: it ends %zu bytes early", source->path, size);
  }
  return FALIGN_OK;
}

bool fal_file_exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 || errno != ENOENT; /* any other error is reported by the reader */
}

void fal_source_close(fal_source *source) { close(source->fd); }
