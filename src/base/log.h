/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

enum ecap_log_level {
	ECAP_LOG_ERR,
	ECAP_LOG_WARN,
	ECAP_LOG_INFO,
	ECAP_LOG_DEBUG,
};

/* Show messages up to @lvl (default ECAP_LOG_INFO). The level is the program's only global. */
void ecap_log_set_level(enum ecap_log_level lvl);
/* The level in force: callers skip the work of a message nobody sees. */
enum ecap_log_level ecap_log_get_level(void);

/* Write one line "ecapture: <message>" to stderr, control characters made visible. */
__attribute__((format(printf, 2, 3))) void ecap_log(enum ecap_log_level lvl, const char *fmt, ...);

/* Log "<msg>: <reason>" and return @err as a negative errno, whatever its sign was. */
__attribute__((format(printf, 3, 4))) int ecap_log_errno(enum ecap_log_level lvl, int err,
							 const char *fmt, ...);

/*
 * The text of errno @err (any sign) into @buf, kernel-only numbers included (524: ENOTSUPP).
 * Returns @buf.
 */
const char *ecap_strerror(int err, char *buf, unsigned long size);

#define ecap_err(...)	      ecap_log(ECAP_LOG_ERR, __VA_ARGS__)
#define ecap_warn(...)	      ecap_log(ECAP_LOG_WARN, __VA_ARGS__)
#define ecap_info(...)	      ecap_log(ECAP_LOG_INFO, __VA_ARGS__)
#define ecap_debug(...)	      ecap_log(ECAP_LOG_DEBUG, __VA_ARGS__)
#define ecap_err_r(err, ...)  ecap_log_errno(ECAP_LOG_ERR, (err), __VA_ARGS__)
#define ecap_warn_r(err, ...) ecap_log_errno(ECAP_LOG_WARN, (err), __VA_ARGS__)
