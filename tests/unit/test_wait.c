/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of tpm/wait: a device that is there, comes, does not come, is not announced. */
#include "tpm/wait.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "ground/io.h"

static char root[] = "test_wait.XXXXXX";

static void make_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert(fd >= 0);
}

static void make_dir(const char *path)
{
	assert(sr_create_dir(path, 0755, NULL) == 0);
}

static void start_anew(void)
{
	assert(sr_remove_tree(AT_FDCWD, "dev", NULL) == 0);
	assert(sr_remove_tree(AT_FDCWD, "sys", NULL) == 0);
	make_dir("dev");
	make_dir("sys/bus/acpi/devices");
}

static int64_t now_ms(void)
{
	struct timespec now;

	assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits in "dev" and "sys"; returns what sr_tpm_wait() did, and how long it took. */
static int wait_here(unsigned int seconds, int64_t *took, struct sr_err *err)
{
	struct sr_tpm_wait wait = { .seconds = seconds, .dev = "dev", .sys = "sys" };
	int64_t start = now_ms();
	int r = sr_tpm_wait(&wait, err);

	*took = now_ms() - start;
	return r;
}

static void smallest_number(void)
{
	char found[SR_TPM_DEVICE_MAX];

	start_anew();
	assert(!sr_tpm_device("nowhere", found));
	make_file("dev/tpm0");
	make_file("dev/tpmrm");
	make_file("dev/tpmrm1x");
	make_file("dev/xtpmrm0");
	assert(!sr_tpm_device("dev", found));
	make_file("dev/tpmrm10");
	make_file("dev/tpmrm2");
	assert(sr_tpm_device("dev", found) && strcmp(found, "dev/tpmrm2") == 0);
}

static void there_already(void)
{
	int64_t took;

	start_anew();
	make_file("dev/tpmrm1");
	assert(wait_here(60, &took, NULL) == 0 && took < 10000);
}

static void not_announced(void)
{
	struct sr_err err = { 0 };
	int64_t took;

	start_anew();
	make_dir("sys/bus/acpi/devices/PNP0C31:00");
	make_dir("sys/firmware/devicetree/base/soc/tpmx@0");
	make_dir("sys/firmware/devicetree/base/soc/stpm");
	assert(wait_here(60, &took, &err) == -ENODEV && took < 10000);
	assert(strstr(err.text, "firmware announces none"));
}

/* Each way of announcing makes it wait, to the end, as nothing comes. */
static void announced(void)
{
	static const char *const ways[] = {
		"sys/firmware/acpi/tables/TPM2",
		"sys/bus/acpi/devices/MSFT0101:00",
		"sys/firmware/devicetree/base/tpm",
		"sys/firmware/devicetree/base/soc/spi@10/tpm@0",
		"sys/firmware/devicetree/base/firmware/ftpm",
		"sys/firmware/devicetree/base/vdevice/vtpm@3000",
	};

	for (size_t i = 0; i < SR_COUNT(ways); i++) {
		struct sr_err err = { 0 };
		int64_t took;

		start_anew();
		make_dir(ways[i]);
		assert(wait_here(1, &took, &err) == -ENODEV && took >= 1000);
		assert(strstr(err.text, "did not appear within 1 s"));
		assert(wait_here(0, &took, &err) == -ENODEV);
	}
}

static void comes_late(void)
{
	int64_t took;
	int status;
	pid_t child;

	start_anew();
	make_dir("sys/bus/acpi/devices/MSFT0101:00");
	child = fork();
	assert(child >= 0);
	if (child == 0) {
		(void)nanosleep(&(struct timespec){ .tv_nsec = 400000000 }, NULL);
		make_file("dev/tpm1");
		make_file("dev/tpmrm1");
		_exit(0);
	}
	assert(wait_here(60, &took, NULL) == 0 && took >= 300 && took < 30000);
	assert(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	assert(mkdtemp(root) && chdir(root) == 0);
	smallest_number();
	there_already();
	not_announced();
	announced();
	comes_late();
	assert(chdir("..") == 0 && sr_remove_tree(AT_FDCWD, root, NULL) == 0);
	return 0;
}
