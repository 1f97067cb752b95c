/* SPDX-License-Identifier: Apache-2.0 */
#include "base/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

int ecap_caps_get(struct ecap_caps *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[WORDS] = { { 0 } };
	struct ecap_caps caps = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned int i = 0; i < WORDS; i++) {
		caps.permitted |= (uint64_t)data[i].permitted << (32 * i);
		caps.effective |= (uint64_t)data[i].effective << (32 * i);
	}
	*ret = caps;
	return 0;
}

int ecap_caps_set(const struct ecap_caps *caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[WORDS] = { { 0 } };

	for (unsigned int i = 0; i < WORDS; i++) {
		data[i].permitted = (uint32_t)(caps->permitted >> (32 * i));
		data[i].effective = (uint32_t)(caps->effective >> (32 * i));
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
