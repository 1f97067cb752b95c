# SPDX-License-Identifier: Apache-2.0
#
# The front door: meson and ninja do the work. CONTRIBUTING.md says what the targets are for.

MESON ?= meson
NINJA ?= ninja
prefix ?= /usr/local
SUITE ?=
ONLY ?=
BUILD ?= both

# Under sudo, what is built belongs to the user who called it, so that a plain make works later.
AS_USER := $(shell scripts/as-user)
SETUP = $(AS_USER) $(MESON) setup --prefix=$(prefix)
HINT = { echo 'Is something missing? sudo scripts/deps build installs it.' >&2; false; }

.NOTPARALLEL:
.PHONY: all new-probe static arm64 asan deps demo test bench vmtest soak fuzz lint install clean FORCE

all: build/ecapture

build/build.ninja:
	$(SETUP) build || $(HINT)

build/ecapture: build/build.ninja FORCE
	$(AS_USER) $(NINJA) -C build
	@$(AS_USER) ln -sf src/ecapture $@

# Makes the files of a probe; doc/dev/adding-a-probe.md goes on from there.
new-probe:
	@$(AS_USER) scripts/new-probe $(NAME)

build-static/build.ninja:
	$(SETUP) -Dstatic=true build-static || $(HINT)

# One file that needs no shared library: readelf finds no loader in it.
static: build-static/build.ninja
	$(AS_USER) $(NINJA) -C build-static src/ecapture
	@! readelf -lW build-static/src/ecapture | grep -w INTERP
	$(AS_USER) strip -o build-static/ecapture build-static/src/ecapture

build-arm64/build.ninja:
	cross=$$($(AS_USER) scripts/cross arm64) && \
		$(SETUP) -Dstatic=true --cross-file="$$cross" build-arm64 || $(HINT)

# The same for arm64, with its test programs. Its unit tests run under QEMU's user emulation.
arm64: build-arm64/build.ninja
	$(AS_USER) $(NINJA) -C build-arm64
	$(AS_USER) aarch64-linux-gnu-strip -o build-arm64/ecapture build-arm64/src/ecapture
	$(AS_USER) $(MESON) test -C build-arm64 --no-rebuild -q -t 20 --suite unit --suite abi

build-asan/build.ninja:
	$(SETUP) -Db_sanitize=address,undefined build-asan || $(HINT)

asan: build-asan/build.ninja
	$(AS_USER) $(NINJA) -C build-asan
	$(AS_USER) $(MESON) test -C build-asan --print-errorlogs --suite unit --suite abi

deps:
	scripts/deps

# Builds the program only, not its tests: somebody waits for the first capture.
demo:
	scripts/deps build demo
	$(MAKE) build/build.ninja
	$(AS_USER) $(NINJA) -C build src/ecapture
	@$(AS_USER) ln -sf src/ecapture build/ecapture
	scripts/demo

test:
	@MAKE='$(MAKE)' MESON='$(MESON)' AS_USER='$(AS_USER)' scripts/test $(SUITE)

build-bench/build.ninja:
	$(SETUP) --buildtype=release build-bench || $(HINT)

# What ecapture costs, into bench/README.md; with ONLY=part one part, printed only.
bench:
	scripts/deps build demo bench
	$(MAKE) static build-bench/build.ninja
	$(AS_USER) $(NINJA) -C build-bench src/ecapture bench/caller bench/empty bench/http
	/usr/bin/python3 -B bench/run $(or $(ONLY),--write)

# On other kernels, in virtual machines: KERNEL=5.10, ARCH=arm64, SUITE=load, several by commas. All
# of them together write doc/user/kernels.md; KEEP=1 keeps the numbers of verified instructions.
vmtest:
	MAKE='$(MAKE)' MESON='$(MESON)' $(AS_USER) scripts/vmtest $(if $(KERNEL),--kernel=$(KERNEL)) \
		$(if $(ARCH),--arch=$(ARCH)) $(if $(SUITE),--suite=$(SUITE)) $(if $(KEEP),--keep) \
		$(if $(KERNEL)$(ARCH)$(SUITE),,--page)

build-asan/src/ecapture: build-asan/build.ninja FORCE
	$(AS_USER) $(NINJA) -C build-asan src/ecapture

# Hundreds of processes come, go and are killed, for SECONDS on each build: BUILD=release, asan, both.
soak: SECONDS ?= 600
soak: build/ecapture $(if $(filter-out release,$(BUILD)),build-asan/src/ecapture)
	scripts/soak $(SECONDS) $(BUILD)

# Each fuzz target for SECONDS; needs clang's runtime (Debian: libclang-rt-19-dev).
fuzz: SECONDS ?= 60
fuzz:
	$(AS_USER) scripts/fuzz $(SECONDS)

lint: build/ecapture
	$(AS_USER) scripts/lint

# There is no manual page if the program can not run where it is built.
install: build/build.ninja
	$(AS_USER) $(MESON) configure -Dprefix=$(prefix) build
	$(AS_USER) $(NINJA) -C build src/ecapture \
		$$(grep -q '^build src/ecapture.8:' build/build.ninja && echo src/ecapture.8)
	DESTDIR='$(DESTDIR)' $(MESON) install -C build --no-rebuild
	@rm -f build/meson-logs/install-log.txt # it may be root's now

clean:
	rm -rf build build-static build-arm64 build-asan build-bench build-fuzz build-vm
