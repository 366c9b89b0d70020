# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds, tests and installs sealring. `make help` lists the targets.

# What a packager sets. Paths are the final ones; DESTDIR goes in front when installing.
DESTDIR       ?=
PREFIX        ?= /usr
BINDIR        ?= $(PREFIX)/bin
LIBDIR        ?= $(PREFIX)/lib
LIBEXECDIR    ?= $(PREFIX)/libexec
INCLUDEDIR    ?= $(PREFIX)/include
MANDIR        ?= $(PREFIX)/share/man
SYSCONFDIR    ?= /etc
LOCALSTATEDIR ?= /var
RUNSTATEDIR   ?= /run
UNITDIR       ?= $(call pkg_dir,systemd,systemdsystemunitdir,$(PREFIX)/lib/systemd/system)
UDEVDIR       ?= $(call pkg_dir,udev,udevdir,$(PREFIX)/lib/udev)
DRACUTDIR     ?= $(call pkg_dir,dracut,dracutmodulesdir,$(PREFIX)/lib/dracut/modules.d)
INITRAMFSDIR  ?= $(PREFIX)/share/initramfs-tools
# Where libcryptsetup looks for token plugins: in the directory it was built for.
TOKENDIR      ?= $(call pkg_dir,libcryptsetup,libdir,$(LIBDIR))/cryptsetup
# Where OpenSSL looks for providers.
MODULESDIR    ?= $(call pkg_dir,libcrypto,modulesdir,$(LIBDIR)/ossl-modules)
KEYSCRIPTDIR  ?= $(PREFIX)/lib/cryptsetup/scripts
USERUNITDIR   ?= $(call pkg_dir,systemd,systemduserunitdir,$(PREFIX)/lib/systemd/user)
SYSUSERSDIR   ?= $(call pkg_dir,systemd,sysusersdir,$(PREFIX)/lib/sysusers.d)
TMPFILESDIR   ?= $(call pkg_dir,systemd,tmpfilesdir,$(PREFIX)/lib/tmpfiles.d)
PRESETDIR     ?= $(call pkg_dir,systemd,systemdsystempresetdir,$(PREFIX)/lib/systemd/system-preset)
CATALOGDIR    ?= $(call pkg_dir,systemd,catalogdir,$(PREFIX)/lib/systemd/catalog)
KERNELDIR     ?= $(PREFIX)/lib/kernel/install.d
KERNELHOOKDIR ?= $(SYSCONFDIR)/kernel/postinst.d
IMAGEHOOKDIR  ?= $(SYSCONFDIR)/initramfs/post-update.d
SLEEPDIR      ?= $(call pkg_dir,systemd,systemdsleepdir,$(PREFIX)/lib/systemd/system-sleep)
BASHCOMPDIR   ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR    ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR   ?= $(PREFIX)/share/fish/vendor_completions.d
CC            ?= cc
CFLAGS        ?= -O$(if $(SANITIZE),1,2) -g
CPPFLAGS      ?=
LDFLAGS       ?=
PKG_CONFIG    ?= pkg-config
SCDOC         ?= scdoc
CLANG         ?= clang
# 1: load libqrencode, if it is there, to show a key; empty: don't. Its header is found by
# pkg-config unless set.
HAVE_QRENCODE ?= $(shell $(PKG_CONFIG) --exists libqrencode 2>/dev/null && echo 1)
# 1: warnings are errors
WERROR        ?=
# 1: show the commands
V             ?=
# Where everything is built; a sanitizer list for -fsanitize=; where the fault build goes.
BUILD         ?= build
SANITIZE      ?=
FAULT_BUILD   ?= $(BUILD)-fault
# Which tests `make check` runs (all), and how many inputs `make fuzz` tries per target.
TESTS         ?=
# Which scenarios `make check-vm` boots ("a c e"; all), and how many at a time.
VM_SCENARIOS  ?=
VM_JOBS       ?= 1
FUZZ_RUNS     ?= 20000
# What `make check-quick` leaves out besides.
LEAVE_OUT     ?=

VERSION = 0.1.0
SOVERSION = 0

# Packages, by package manager and purpose. `make deps` takes "build check" and the name
# of any other goal beside it (`make deps lint`); DEPS= chooses explicitly.
APT_build    = gcc libc6-dev pkgconf libtss2-dev libssl-dev libkeyutils-dev libinih-dev \
	       libjson-c-dev libcryptsetup-dev libsystemd-dev libmicrohttpd-dev zlib1g-dev libqrencode-dev scdoc
APT_check    = bats swtpm tpm2-tools tpm2-openssl openssl openssh-client openssh-server git keyutils strace \
	       procps util-linux bsdutils xxd jq gzip gcab cryptsetup-bin systemd curl python3-jsonschema nginx-light \
	       libtpm2-pkcs11-1 libtpm2-pkcs11-tools opensc gdb
APT_lint     = clang-format clang-tidy shellcheck mandoc
APT_fuzz     = clang
APT_bench    = hyperfine clevis clevis-tpm2 systemd tpm2-openssl tpm2-abrmd libtss2-tcti-tabrmd0 dbus-daemon jq time
APT_vm       = qemu-system-x86 qemu-utils ovmf mmdebstrap cryptsetup-bin mtools dosfstools gdisk e2fsprogs cpio
APT_ci       = clang git mmdebstrap
DNF_build    = gcc pkgconf-pkg-config tpm2-tss-devel openssl-devel keyutils-libs-devel \
	       inih-devel json-c-devel cryptsetup-devel systemd-devel libmicrohttpd-devel zlib-devel qrencode-devel scdoc
DNF_check    = bats swtpm tpm2-tools tpm2-openssl openssl openssh openssh-server git-core keyutils strace procps-ng \
	       util-linux libasan libubsan libtsan xxd jq gzip gcab cryptsetup systemd curl python3-jsonschema nginx-core \
	       tpm2-pkcs11 tpm2-pkcs11-tools opensc gdb
DNF_lint     = clang-tools-extra ShellCheck mandoc
DNF_fuzz     = clang compiler-rt
DNF_bench    = hyperfine clevis systemd tpm2-openssl tpm2-abrmd dbus-daemon jq time
DNF_ci       = clang git mmdebstrap
PACMAN_build = gcc pkgconf tpm2-tss openssl keyutils libinih json-c cryptsetup systemd-libs libmicrohttpd zlib \
	       qrencode scdoc
PACMAN_check = bats swtpm tpm2-tools tpm2-openssl openssh git keyutils strace procps-ng util-linux tinyxxd \
	       jq gzip gcab cryptsetup systemd curl python-jsonschema nginx tpm2-pkcs11 opensc gdb
PACMAN_lint  = clang shellcheck mandoc
PACMAN_fuzz  = clang compiler-rt
PACMAN_bench = hyperfine clevis systemd tpm2-openssl tpm2-abrmd dbus jq time
PACMAN_ci    = clang git mmdebstrap

.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
Q := $(if $(filter 1,$(V)),,@)
say = @$(if $(filter 1,$(V)),:,printf '  %-7s %s\n' $(1) $(2))

.PHONY: all check check-all check-quick check-san check-tsan check-threads check-vm vm-image vm-root bench-vm fault check-fault fuzz bench demo man install uninstall clean \
	help deps lint lint-format lint-c lint-shell lint-man test-programs fuzz-programs \
	fault-programs FORCE

, := ,

# Packages first, and everything else in a second make: so that pkg-config and the
# compiler are asked only once they are there, and, under sudo, nothing is left in the
# tree that belongs to root.
ifneq ($(filter deps,$(MAKECMDGOALS)),)

GOALS := $(filter-out deps,$(MAKECMDGOALS))
ROOT_GOALS := $(filter install uninstall check-vm vm-image bench-vm,$(GOALS))
USER_GOALS := $(filter-out $(ROOT_GOALS),$(GOALS)) $(if $(filter install check-vm vm-image bench-vm,$(GOALS)),all)
# What can be built in parallel before goals that can't run so.
BUILD_GOALS := $(if $(filter all demo bench install check,$(GOALS)),all) \
	$(if $(filter check,$(GOALS)),test-programs fault) $(if $(filter check-quick,$(GOALS)),test-programs)
DEPS ?= build check $(filter lint fuzz bench,$(GOALS)) $(if $(filter check-vm vm-image bench-vm,$(GOALS)),vm)
packages = $(sort $(foreach set,$(DEPS),$($(1)_$(set))))

define install_packages
set -e; \
if command -v apt-get >/dev/null; then \
	wanted='$(call packages,APT)'; \
	missing=$$(for p in $$wanted; do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | \
		grep -qx installed || printf '%s ' $$p; done); \
	refresh='apt-get -q update'; \
	install='apt-get -q -y --no-install-recommends install'; \
elif command -v dnf >/dev/null; then \
	wanted='$(call packages,DNF)'; \
	missing=$$(for p in $$wanted; do \
		rpm -q --whatprovides $$p >/dev/null 2>&1 || printf '%s ' $$p; done); \
	refresh=:; install='dnf -y install'; \
elif command -v pacman >/dev/null; then \
	wanted='$(call packages,PACMAN)'; \
	missing=$$(pacman -T $$wanted | tr '\n' ' ' || :); \
	refresh=:; install='pacman -Sy --needed --noconfirm'; \
else \
	echo 'deps: found none of apt-get, dnf, pacman: see README.md for what is needed' >&2; \
	exit 1; \
fi; \
if [ -z "$$missing" ]; then echo 'deps: nothing to install'; exit 0; fi; \
if [ "$$(id -u)" -ne 0 ]; then \
	echo "deps: missing: $$missing" >&2; \
	echo 'deps: only root can install them: run "sudo make $(MAKECMDGOALS)"' >&2; \
	exit 1; \
fi; \
echo "deps: $$install $$missing"; \
export DEBIAN_FRONTEND=noninteractive; \
$$refresh && $$install $$missing
endef

# Runs the rest as whoever called sudo. setpriv, as sudo would close make's job server.
define as_user
as=; if [ "$$(id -u)" -eq 0 ] && [ "$${SUDO_UID:-0}" -ne 0 ]; then \
	as="setpriv --reuid $$SUDO_UID --regid $$SUDO_GID --init-groups env USER=$$SUDO_USER \
		LOGNAME=$$SUDO_USER HOME=$$(getent passwd "$$SUDO_UID" | cut -d: -f6)"; \
fi; $$as
endef

.PHONY: $(GOALS)
deps:
	@$(install_packages)
	$(if $(strip $(BUILD_GOALS)),@+$(as_user) $(MAKE) --no-print-directory -j "$$(nproc)" $(BUILD_GOALS))
	$(if $(strip $(USER_GOALS)),@+$(as_user) $(MAKE) --no-print-directory $(USER_GOALS))
	$(if $(ROOT_GOALS),@+$(MAKE) --no-print-directory $(ROOT_GOALS))
$(GOALS): deps
	@:

else

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1\t\2/p' Makefile | expand -t 16

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-vm $(FAULT_BUILD)

ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),all)),)

deps: ## install the packages needed (apt, dnf or pacman); first under sudo: `sudo make deps check`

# -- libraries and flags --------------------------------------------------------------

pkg_libs = $(or $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null),-l$(patsubst lib%,%,$(1)))
pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pkg_dir = $(or $(shell $(PKG_CONFIG) --variable=$(2) $(1) 2>/dev/null),$(3))

LIB_MODULES := tss2-esys tss2-sys tss2-mu tss2-tctildr tss2-tcti-device tss2-rc libcrypto libkeyutils inih
TOOL_MODULES := json-c libcryptsetup libsystemd libmicrohttpd zlib
LIBS := $(foreach m,$(LIB_MODULES),$(call pkg_libs,$(m)))
TOOL_LIBS := $(foreach m,$(TOOL_MODULES),$(call pkg_libs,$(m)))

# What the compiler has already: a distribution's fortification is not defined again.
predefined := $(shell $(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -x c /dev/null 2>/dev/null | \
	sed -n 's/^.define \(_FORTIFY_SOURCE\|__OPTIMIZE__\) .*/\1/p')
cc_flag = $(shell $(CC) -Werror $(1) -c -x c -o /dev/null /dev/null 2>/dev/null && echo $(1))

HARDENING := -fstack-protector-strong $(call cc_flag,-fstack-clash-protection) \
	$(call cc_flag,-fcf-protection) $(call cc_flag,-mbranch-protection=standard)
ifeq ($(SANITIZE),)
ifeq ($(filter _FORTIFY_SOURCE,$(predefined)),)
HARDENING += $(if $(filter __OPTIMIZE__,$(predefined)),-D_FORTIFY_SOURCE=2)
endif
UNDEFINED := -Wl,-z,defs
else
# Fortified calls go around what sanitizers and --wrap intercept.
UNFORTIFY := -U_FORTIFY_SOURCE
# PBKDF2 allocates in each round. The rings of the fault build are opened by others.
DEFINES_SANITIZED := $(if $(FAULT),,-DSR_RECOVERY_ROUNDS=1000)
SANITIZER := -g -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# Error texts are cut to fit on purpose.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	$(call cc_flag,-Wno-format-truncation) $(if $(filter 1,$(WERROR)),-Werror)
DEFINES := -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' \
	-DLOCALSTATEDIR='"$(LOCALSTATEDIR)"' -DRUNSTATEDIR='"$(RUNSTATEDIR)"' \
	-DLIBEXECDIR='"$(LIBEXECDIR)"' \
	$(if $(filter 1,$(HAVE_QRENCODE)),-DHAVE_QRENCODE=1) $(DEFINES_SANITIZED)

CPP_ALL := -Ilib $(DEFINES) $(sort $(foreach m,$(LIB_MODULES) $(TOOL_MODULES) \
	$(if $(filter 1,$(HAVE_QRENCODE)),libqrencode),$(call pkg_cflags,$(m))))
C_ALL := -std=gnu17 -fPIC $(WARNINGS) $(HARDENING) $(SANITIZER) $(CPPFLAGS) $(CFLAGS) $(UNFORTIFY)
LD_ALL := -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SANITIZER) $(CFLAGS) $(LDFLAGS)

# -- what there is --------------------------------------------------------------------

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# What needs libcryptsetup is apart, for the programs that use it; of the library it knows the
# public part only, and base64, which is in both.
LIB_OBJ := $(call object,$(filter-out lib/luks/% lib/ossl/%,$(wildcard lib/*/*.c)))
PROVIDER := $(patsubst lib/ossl/%.c,%.so,$(wildcard lib/ossl/*.c))
PLUGIN := $(patsubst lib/luks/%.c,%.so,$(wildcard lib/luks/libcryptsetup-token-*.c))
LUKS_OBJ := $(call object,$(filter-out lib/luks/libcryptsetup-%,$(wildcard lib/luks/*.c)) lib/ground/base64.c)
PROGRAMS := $(patsubst tools/%.c,%,$(wildcard tools/tpm-*.c))
TOOL_OBJ := $(call object,$(filter-out tools/tpm-%,$(wildcard tools/*.c)))
FAULT_OBJ := $(call object,$(wildcard tests/fault/*.c))
UNIT := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
HELPER := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/helper/*.c))
FUZZ := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
MAN := $(if $(shell command -v $(SCDOC)),$(patsubst %.scd,$(BUILD)/%,$(wildcard man/*.scd)))
# Text files that name paths: units and what belongs to them, and parts of an initramfs.
UNITS := $(wildcard $(addprefix units/*.,service socket target timer path) units/*.d/*.conf)
USER_UNITS := $(wildcard $(addprefix units/user/*.,service socket))
TEXTS := $(UNITS) $(USER_UNITS) $(wildcard units/sysusers.conf units/tmpfiles.conf units/preset units/sealring.catalog \
	units/system-sleep udev/*.rules dracut/*/* initramfs-tools/keyscript hooks/*) \
	$(foreach d,hooks conf-hooks.d scripts/*,$(wildcard initramfs-tools/$(d)/sealring*))
# By the daemons and units only, so not on anybody's PATH.
PRIVATE := $(filter tpm-credential tpm-latch tpm-serve,$(PROGRAMS))
SO := libsealring.so.$(SOVERSION)

ALL := $(addprefix $(BUILD)/bin/,$(PROGRAMS)) $(addprefix $(BUILD)/dist/,$(PROGRAMS)) \
	$(BUILD)/libsealring.so $(BUILD)/libsealring.a $(BUILD)/sealring.pc $(MAN) \
	$(addprefix $(BUILD)/token/,$(PLUGIN)) $(addprefix $(BUILD)/dist/,$(PLUGIN)) \
	$(addprefix $(BUILD)/ossl-modules/,$(PROVIDER)) $(addprefix $(BUILD)/,$(TEXTS))

all: $(ALL) ## build everything

# -- how it is built ------------------------------------------------------------------

# Change when the settings do, so that nothing stale is linked or installed.
$(BUILD)/flags: NOW = $(CC) $(CPP_ALL) $(C_ALL) $(LD_ALL)
$(BUILD)/paths: NOW = $(SUBST)
$(BUILD)/flags $(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(NOW))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(NOW))' >$@

$(BUILD)/obj/tests/%.o: TEST_FLAGS := -Itools -Itests -UNDEBUG

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP_ALL) $(C_ALL) $(TEST_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libsealring.a: $(LIB_OBJ)
$(BUILD)/libluks.a: $(LUKS_OBJ)
$(BUILD)/libtools.a: $(TOOL_OBJ)
$(BUILD)/libsealring.a $(BUILD)/libluks.a $(BUILD)/libtools.a: $(BUILD)/flags
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# Exported is what the public header declares, and nothing else: lines that begin with a
# type (comments, struct fields and continuation lines do not).
HEADERS := lib/sealring.h $(wildcard lib/sealring/*.h)
$(BUILD)/libsealring.map: $(HEADERS)
	$(call say,MAP,$@)
	@mkdir -p $(@D)
	$(Q){ echo 'SEALRING_$(SOVERSION) {'; echo 'global:'; \
	cat $^ | grep -v -e '^static' -e '^typedef' | \
		sed -nE 's/^([a-z].*[ *])?(sr_[a-z0-9_]+)\(.*/	\2;/p'; \
	echo 'local:'; echo '	*;'; echo '};'; } >$@

$(BUILD)/$(SO): $(LIB_OBJ) $(BUILD)/libsealring.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SO) -Wl,--version-script=$(BUILD)/libsealring.map \
		$(UNDEFINED) $(LD_ALL) -o $@ $(LIB_OBJ) $(LIBS)

$(BUILD)/libsealring.so: $(BUILD)/$(SO)
	@ln -sf $(SO) $@

ifeq ($(FAULT),1)
# Everything linked statically, so that --wrap reaches every call of ours.
WRAP := $(patsubst %,-Wl$(,)--wrap=%,$(shell grep -v '^#' tests/fault/wrap.list))
$(BUILD)/bin/%: $(BUILD)/obj/tools/%.o $(FAULT_OBJ) $(BUILD)/libtools.a $(BUILD)/libluks.a \
		$(BUILD)/libsealring.a tests/fault/wrap.list
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LD_ALL) $(WRAP) -o $@ $(filter %.o %.a,$^) $(TOOL_LIBS) $(LIBS)

else
# Twice: bin/ runs where it was built, dist/ is what gets installed. libcrypto first, whose
# 4,000 symbols are looked up at each start, so that no other library is asked for them. What is
# started for each signature has our library in itself: it takes a tenth less time.
define link_program
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LD_ALL) $(1) -o $@ $(filter %.o %/libtools.a %/libluks.a,$^) \
		$(call pkg_libs,libcrypto) $(or $(SEALRING_$(@F)),-L$(BUILD) -lsealring) \
		$(TOOL_LIBS) $(LIBS)
endef
SEALRING_tpm-sign := $(BUILD)/libsealring.a
program_libs := $(addprefix $(BUILD)/,libtools.a libluks.a libsealring.a libsealring.so)

$(BUILD)/bin/%: $(BUILD)/obj/tools/%.o $(program_libs)
	$(call link_program,-Wl$(,)-rpath$(,)'$$ORIGIN/..')

$(BUILD)/dist/%: $(BUILD)/obj/tools/%.o $(program_libs)
	$(call link_program)
endif

define link_plugin
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,--version-script=lib/luks/token.map $(UNDEFINED) $(LD_ALL) $(1) -o $@ \
		$(filter %.o %.a,$^) -L$(BUILD) -lsealring $(TOOL_LIBS) $(LIBS)
endef

$(BUILD)/token/%.so: $(BUILD)/obj/lib/luks/%.o $(BUILD)/libluks.a $(BUILD)/libsealring.so lib/luks/token.map
	$(call link_plugin,-Wl$(,)-rpath$(,)'$$ORIGIN/..')

$(BUILD)/dist/%.so: $(BUILD)/obj/lib/luks/%.o $(BUILD)/libluks.a $(BUILD)/libsealring.so lib/luks/token.map
	$(call link_plugin)

# Programs of others load it, which have no sanitizer's runtime.
$(BUILD)/ossl-modules/%.so: lib/ossl/%.c lib/ossl/provider.map $(BUILD)/flags
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP_ALL) $(filter-out $(SANITIZER),$(C_ALL) $(LD_ALL)) -shared $(UNDEFINED) \
		-Wl,--version-script=lib/ossl/provider.map -o $@ $<

TEST_LIBS = $(BUILD)/libtools.a $(BUILD)/libluks.a $(BUILD)/libsealring.a
$(UNIT) $(HELPER): $(BUILD)/%: $(BUILD)/obj/tests/%.o $(TEST_LIBS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(LD_ALL) -o $@ $< $(TEST_LIBS) $(TOOL_LIBS) $(LIBS)

$(FUZZ): $(BUILD)/%: $(BUILD)/obj/tests/%.o $(TEST_LIBS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -fsanitize=fuzzer $(LD_ALL) -o $@ $< $(TEST_LIBS) $(TOOL_LIBS) $(LIBS)

# Pages, units and sealring.pc name the paths that were configured.
SUBST = $(foreach v,VERSION PREFIX BINDIR LIBDIR LIBEXECDIR INCLUDEDIR SYSCONFDIR \
	LOCALSTATEDIR RUNSTATEDIR UNITDIR TOKENDIR MODULESDIR KEYSCRIPTDIR KERNELDIR KERNELHOOKDIR \
	IMAGEHOOKDIR,-e 's|@$(v)@|$($(v))|g')

$(BUILD)/man/%: man/%.scd $(BUILD)/paths
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)sed $(SUBST) $< | $(SCDOC) >$@

$(addprefix $(BUILD)/,$(TEXTS)): $(BUILD)/%: % $(BUILD)/paths
	$(call say,TEXT,$@)
	@mkdir -p $(@D)
	$(Q)sed $(SUBST) $< >$@

$(BUILD)/sealring.pc: lib/sealring.pc.in $(BUILD)/paths
	$(call say,PC,$@)
	$(Q)sed $(SUBST) $< >$@

man: $(MAN) ## render the manual pages
	@command -v $(SCDOC) >/dev/null || { echo 'man: $(SCDOC) not found: run "make deps"' >&2; exit 1; }

# -- trying it ------------------------------------------------------------------------

test-programs: $(UNIT) $(HELPER)
fuzz-programs: $(FUZZ)
fault-programs: $(addprefix $(BUILD)/bin/,$(PROGRAMS))

# Where tests find what was built.
test_env = SEALRING_BUILD='$(abspath $(BUILD))' SEALRING_FAULT='$(abspath $(FAULT_BUILD))' CC='$(CC)'

check: all test-programs fault ## run the tests (TESTS='tests/a.bats ...' runs some)
	@+$(test_env) tests/run $(TESTS)

check-all: ## check, with every point where a call can fail, a process die, a byte be wrong
	@+THOROUGH=1 $(MAKE) --no-print-directory check

# Those left out try thousands of points, with builds of their own.
quick_tests = $(filter-out $(LEAVE_OUT) tests/fault% tests/kill% tests/flip%, \
	$(wildcard tests/*.bats tests/unit/test_*.c))

check-quick: all test-programs ## the tests but fault injection, kill -9 and flipped bytes (PART=0, 1: half)
	@+$(test_env) tests/run $(if $(PART),$(shell printf '%s\n' $(quick_tests) | \
		awk 'NR % 2 == $(PART)'),$(quick_tests))

# What is tested of texts and of the build itself is the same with any compiler, and so is what
# takes long only because there is much of it.
check-san: ## check-quick, built with address and undefined behaviour sanitizers
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)-san SANITIZE=address,undefined \
		LEAVE_OUT='$(LEAVE_OUT) $(patsubst %,tests/%.bats,deps guide install many paper sign-many tree units)' check-quick

# Threads are in the daemon only. First a mistake that has to be found.
THREAD_PROGRAMS := $(addprefix $(BUILD)/,bin/tpm-sign bin/tpm-serve helper/race unit/test_agent \
	$(addprefix helper/,agent bus handles killer peer proxy rest))
check-threads: $(THREAD_PROGRAMS)
	! $(BUILD)/helper/race 2>/dev/null
	@+$(test_env) TSAN_OPTIONS=halt_on_error=1 tests/run tests/unit/test_agent.c \
		$(patsubst %,tests/%.bats,agent rest fault-trouble kill-serve $(if $(THOROUGH),agent-tpm rest-tpm))

check-tsan: ## the tests of the daemon's threads, built with the thread sanitizer
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)-tsan SANITIZE=thread check-threads

fault: ## build programs whose calls can be made to fail in turn
	@+$(if $(FAULT_OBJ),$(MAKE) --no-print-directory BUILD=$(FAULT_BUILD) FAULT=1 \
		SANITIZE=address$(,)undefined fault-programs,:)

check-fault: all test-programs fault ## run only the tests that make calls fail
	@+$(test_env) tests/run $(wildcard tests/*fault*.bats)

VM_CACHE ?= $(abspath build-vm)
vm_env = $(test_env) VM_CACHE='$(VM_CACHE)' VM_OVERLAY='$(abspath $(BUILD))/vm-root'
vm_tests = $(if $(VM_SCENARIOS),$(wildcard $(VM_SCENARIOS:%=tests/vm/%-*.bats)),$(filter-out \
	tests/vm/peers.bats,$(wildcard tests/vm/*.bats)))

# What is installed in the guest.
vm-root: all
	@rm -rf $(BUILD)/vm-root
	@+$(MAKE) --no-print-directory DESTDIR='$(abspath $(BUILD))/vm-root' install

check-vm: vm-root ## real boots in a virtual machine, without KVM: see tests/vm/README.md (root)
	@+$(vm_env) JOBS='$(VM_JOBS)' TEST_TIMEOUT=5400 tests/run $(vm_tests)

vm-image: vm-root ## make the disk that most of check-vm boots, unless it is there (root)
	@$(vm_env) tests/vm/image

bench-vm: vm-root ## time the unlocking of a root volume beside systemd-cryptenroll and clevis (root)
	@+$(vm_env) bats --tap tests/vm/peers.bats

fuzz: ## build the fuzz targets with clang, run each on FUZZ_RUNS inputs
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)-fuzz CC=$(CLANG) \
		SANITIZE=address,undefined,fuzzer-no-link fuzz-programs
	@tests/fuzz/run $(abspath $(BUILD)-fuzz) $(FUZZ_RUNS)

bench: all test-programs ## compare speed and memory with other tools
	@$(test_env) PATH='$(abspath $(BUILD))/bin':"$$PATH" tests/bench
	@$(test_env) PATH='$(abspath $(BUILD))/bin':"$$PATH" tests/bench-sign
	@$(test_env) PATH='$(abspath $(BUILD))/bin':"$$PATH" tests/bench-agent

demo: all ## the whole story on a software TPM, in plain words
	@$(test_env) PATH='$(abspath $(BUILD))/bin':"$$PATH" tests/demo

# -- looking at it --------------------------------------------------------------------

C_FILES = $(wildcard lib/*.h lib/*/*.[ch] tools/*.[ch] tests/*/*.[ch])
find_scripts = grep -lIE -m1 '^\#! *(/usr/bin/env (ba)?sh|/bin/(ba)?sh)' .ci/* tests/* tests/*/* tests/vm/guest/root/*/*/*/* dracut/*/* hooks/* 2>/dev/null

lint: lint-format lint-c lint-shell lint-man ## check formatting, C, shell and manual pages

lint-format:
	$(call say,LINT,'lib tools tests: clang-format')
	$(Q)clang-format --dry-run -Werror $(C_FILES)

# One file a process: clang-tidy 14 misjudges va_list when it has seen another file before. What
# is looked for is near; ten times as many paths take ten times as long and find nothing else.
lint-c:
	$(call say,LINT,'lib tools: clang-tidy')
	$(Q)printf '%s\n' $(filter lib/%.c tools/%.c,$(C_FILES)) | xargs -P "$$(nproc)" -I FILE \
		clang-tidy --quiet FILE -- $(CPP_ALL) -std=gnu17 \
		-Xclang -analyzer-config -Xclang max-nodes=20000

# In bats files a failing cd ends the test; of libraries the callers are not seen.
lint-shell:
	$(call say,LINT,'scripts tests completions: shellcheck')
	$(Q)shellcheck -x $(shell $(find_scripts))
	$(Q)shellcheck -x -e SC2119 -e SC2164 $(wildcard tests/*.bats tests/*/*.bats)
	$(Q)shellcheck -x -s bats -e SC2034 -e SC2119 -e SC2120 -e SC2154 -e SC2164 $(wildcard tests/*.bash tests/*/*.bash)
	$(Q)shellcheck -x -s bash $(wildcard completions/bash/*)

lint-man: man
	$(call say,LINT,'man: mandoc')
	$(Q)mandoc -Tlint -W error $(MAN)

# -- installing it --------------------------------------------------------------------

# $(call place,PATTERN,FILES,DESTINATION,MODE): those of FILES that there are
place = $(foreach f,$(filter $(TEXTS),$(2)),$(BUILD)/$(f):$(patsubst $(1),$(3),$(f)):$(4))

# source:destination:mode, for both install and uninstall
INSTALL_LIST := $(foreach p,$(filter-out $(PRIVATE),$(PROGRAMS)),$(BUILD)/dist/$(p):$(BINDIR)/$(p):755) \
	$(foreach p,$(PRIVATE),$(BUILD)/dist/$(p):$(LIBEXECDIR)/sealring/$(p):755) \
	$(BUILD)/$(SO):$(LIBDIR)/$(SO):755 \
	$(foreach h,$(HEADERS),$(h):$(INCLUDEDIR)/$(patsubst lib/%,%,$(h)):644) \
	$(BUILD)/sealring.pc:$(LIBDIR)/pkgconfig/sealring.pc:644 \
	doc/openapi.json:$(PREFIX)/share/sealring/openapi.json:644 \
	$(foreach m,$(MAN),$(m):$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)):644) \
	$(foreach p,$(PLUGIN),$(BUILD)/dist/$(p):$(TOKENDIR)/$(p):755) \
	$(foreach p,$(PROVIDER),$(BUILD)/ossl-modules/$(p):$(MODULESDIR)/$(p):755) \
	$(call place,units/%,$(UNITS),$(UNITDIR)/%,644) \
	$(call place,units/user/%,$(USER_UNITS),$(USERUNITDIR)/%,644) \
	$(call place,units/%,units/sysusers.conf,$(SYSUSERSDIR)/sealring.conf,644) \
	$(call place,units/%,units/tmpfiles.conf,$(TMPFILESDIR)/sealring.conf,644) \
	$(call place,units/%,units/preset,$(PRESETDIR)/90-sealring.preset,644) \
	$(call place,units/%,units/sealring.catalog,$(CATALOGDIR)/%,644) \
	$(call place,units/%,units/system-sleep,$(SLEEPDIR)/sealring,755) \
	$(call place,hooks/%,hooks/prepare-firmware,$(LIBEXECDIR)/sealring/%,755) \
	$(call place,hooks/%,hooks/kernel,$(KERNELDIR)/40-sealring.install,755) \
	$(call place,hooks/%,hooks/kernel,$(KERNELHOOKDIR)/00-sealring,755) \
	$(call place,hooks/%,hooks/kernel,$(IMAGEHOOKDIR)/sealring,755) \
	$(call place,udev/%,$(filter udev/%,$(TEXTS)),$(UDEVDIR)/rules.d/%,644) \
	$(call place,dracut/%,$(filter dracut/%,$(TEXTS)),$(DRACUTDIR)/%,755) \
	$(call place,initramfs-tools/%,initramfs-tools/keyscript,$(KEYSCRIPTDIR)/sealring,755) \
	$(call place,initramfs-tools/%,$(filter-out %/keyscript,$(filter initramfs-tools/%,$(TEXTS))),$(INITRAMFSDIR)/%,755) \
	$(foreach c,$(wildcard completions/bash/*),$(c):$(BASHCOMPDIR)/$(notdir $(c)):644) \
	$(foreach c,$(wildcard completions/zsh/*),$(c):$(ZSHCOMPDIR)/$(notdir $(c)):644) \
	$(foreach c,$(wildcard completions/fish/*),$(c):$(FISHCOMPDIR)/$(notdir $(c)):644)

# As units/tmpfiles.conf has them, for who configures something before the next boot.
CONFIG_DIRS := sealring sealring/keys.d sealring/secrets.d

each_installed = set -e; for entry in $(INSTALL_LIST); do \
	source=$${entry%%:*}; mode=$${entry\#\#*:}; to=$${entry\#*:}; to=$(DESTDIR)$${to%:*}

install: all ## put everything in its place (DESTDIR, PREFIX and the other variables)
	$(Q)$(each_installed); install -D -m "$$mode" "$$source" "$$to"; done
	$(Q)ln -sf $(SO) $(DESTDIR)$(LIBDIR)/libsealring.so
	$(Q)install -d -m 755 $(CONFIG_DIRS:%=$(DESTDIR)$(SYSCONFDIR)/%)
	@$(if $(MAN),:,echo 'install: no manual pages: $(SCDOC) not found')

# The directories of others stay; those that held only ours, in an image or below a name
# of ours, do not.
uninstall: ## remove what install put there
	$(Q)rm -f $(DESTDIR)$(LIBDIR)/libsealring.so
	$(Q)$(each_installed); rm -f "$$to"; [ -z '$(DESTDIR)' ] || ! [ -d "$${to%/*}" ] || \
		(cd '$(DESTDIR)/' && rmdir -p --ignore-fail-on-non-empty ".$$(dirname \
		"$${to#$(DESTDIR)}")" 2>/dev/null) || :; done
	$(Q)for d in $(DESTDIR)$(LIBEXECDIR)/sealring $(DESTDIR)$(INCLUDEDIR)/sealring \
		$(DESTDIR)$(PREFIX)/share/sealring; do \
		! [ -d "$$d" ] || rmdir "$$d"; done
	$(Q)cd '$(DESTDIR)/' && rmdir -p --ignore-fail-on-non-empty \
		$(CONFIG_DIRS:%=.$(SYSCONFDIR)/%) 2>/dev/null || :

-include $(shell [ -d $(BUILD)/obj ] && find $(BUILD)/obj -name '*.d')

endif
endif
