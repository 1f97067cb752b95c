/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

/*
 * Ownership in three macros: an owning local releases what it holds when it leaves scope, and
 * gives it up only through ecap_take_ptr() or ecap_take_fd().
 */
#define ecap_cleanup(fn) __attribute__((cleanup(fn)))
#define ecap_autofree	 ecap_cleanup(ecap_freep)
#define ecap_autoclose	 ecap_cleanup(ecap_closep)

/* Derive the cleanup form of a NULL-safe free function: ecap_x_free() -> ecap_x_freep(). */
#define ECAP_DEFINE_FREEP(type, free_fn)        \
	static inline void free_fn##p(type **p) \
	{                                       \
		free_fn(*p);                    \
		*p = NULL;                      \
	}

/* Move a value out of an owning local, leaving the neutral value behind. */
#define ECAP_TAKE(var, neutral)                         \
	__extension__({                                 \
		__typeof__(var) *take_src_ = &(var);    \
		__typeof__(var) take_val_ = *take_src_; \
		*take_src_ = (neutral);                 \
		take_val_;                              \
	})
#define ecap_take_ptr(p) ECAP_TAKE(p, NULL)
#define ecap_take_fd(fd) ECAP_TAKE(fd, -1)

#define ECAP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Cleanup forms of free() and close(); the argument is the address of the local. */
static inline void ecap_freep(void *p)
{
	void **pp = (void **)p;

	free(*pp);
	*pp = NULL;
}

static inline void ecap_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}
