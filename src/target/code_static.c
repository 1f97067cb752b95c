/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the static program only: what Capstone calls to set up architectures that we do not ask for.
 * Defined here, these parts of its archive are not linked; their tables are 3 MiB of version 4 and
 * 6 MiB of version 5. A name that is missing here only makes the program larger.
 */
#include <stddef.h>

#include <capstone/capstone.h>

#define LEFT_OUT(name)                                       \
	int name##_global_init(void *cs);                    \
	int name##_option(void *cs, int type, size_t value); \
	int name##_global_init(void *cs)                     \
	{                                                    \
		(void)cs;                                    \
		return CS_ERR_ARCH;                          \
	}                                                    \
	int name##_option(void *cs, int type, size_t value)  \
	{                                                    \
		(void)cs;                                    \
		(void)type;                                  \
		(void)value;                                 \
		return CS_ERR_ARCH;                          \
	}                                                    \
	_Static_assert(sizeof(cs_err) == sizeof(int), "they return a cs_err")

LEFT_OUT(AArch64);
LEFT_OUT(ARM);
LEFT_OUT(BPF);
LEFT_OUT(EVM);
LEFT_OUT(M680X);
LEFT_OUT(M68K);
LEFT_OUT(MOS65XX);
LEFT_OUT(Mips);
LEFT_OUT(PPC);
LEFT_OUT(RISCV);
LEFT_OUT(SH);
LEFT_OUT(Sparc);
LEFT_OUT(SystemZ);
LEFT_OUT(TMS320C64x);
LEFT_OUT(TRICORE);
LEFT_OUT(WASM);
LEFT_OUT(XCore);
