/* SPDX-License-Identifier: Apache-2.0 */
/* needs: */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "other.h"

/*
 * A stand-in for the library, inside this program: its functions have the shapes that the probe
 * says, and turn bits around instead of encrypting. Remove it, name in the line above the headers
 * and libraries that the real one needs ("needs: name/ssl.h -lname"), and include its headers.
 */
#define FN __attribute__((noinline))

struct example {
	int fd;
};

FN int example_read(struct example *handle, void *buf, int len);
FN int example_write(struct example *handle, const void *buf, int len);
FN void example_reset(struct example *handle, int fd);
FN void example_free(struct example *handle);

int example_read(struct example *handle, void *buf, int len)
{
	unsigned char *bytes = buf;
	ssize_t n = read(handle->fd, bytes, (size_t)len);

	for (ssize_t i = 0; i < n; i++)
		bytes[i] ^= 0xff;
	return (int)n;
}

int example_write(struct example *handle, const void *buf, int len)
{
	unsigned char bytes[4096];
	size_t n = (size_t)len < sizeof(bytes) ? (size_t)len : sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = ((const unsigned char *)buf)[i] ^ 0xff;
	return (int)write(handle->fd, bytes, n);
}

void example_reset(struct example *handle, int fd)
{
	handle->fd = fd;
}

void example_free(struct example *handle)
{
	free(handle);
}

/* --------------------------------------------------------------------- what the peer asks for */

static long moved(int n, const char *what)
{
	if (n < 0 && errno != EAGAIN)
		other_die("%s: %d", what, n);
	return n > 0 ? n : 0;
}

static long send_plain(void *handle, void *buf, size_t len)
{
	return moved(example_write(handle, buf, (int)len), "write");
}

static long recv_plain(void *handle, void *buf, size_t len)
{
	return moved(example_read(handle, buf, (int)len), "read");
}

/* Each function that the probe hooks as ECAP_AT_CALL. */
static const struct other_fn fns[] = {
	{ "example_write", true, false, send_plain },
	{ "example_read", false, false, recv_plain },
};

static const char *version(void)
{
	return "stand-in";
}

static void init(const char *cert, const char *key)
{
	(void)cert;
	(void)key;
}

static void *open_handle(bool server, int fd)
{
	struct example *handle = calloc(1, sizeof(*handle));

	(void)server;
	if (!handle)
		other_die("no memory");
	handle->fd = fd;
	return handle;
}

static bool shake(void *handle)
{
	(void)handle;
	return true;
}

static void clear(void *handle, bool server, int fd)
{
	(void)server;
	example_reset(handle, fd);
}

static void close_handle(void *handle)
{
	example_free(handle);
}

const struct other_library other_library = {
	.fns = fns,
	.n_fns = sizeof(fns) / sizeof(fns[0]),
	.version = version,
	.init = init,
	.open = open_handle,
	.shake = shake,
	.clear = clear,
	.close = close_handle,
};
