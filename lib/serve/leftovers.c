/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on the TPM still, though the conversation that put it there, or its program, ended. */
#include "leftovers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "codec/name.h"

void sr_leftovers_note(struct sr_leftovers *leftovers, const struct sr_handle *handle)
{
	struct sr_leftover *left = &leftovers->left[leftovers->count];
	_cleanup_esys_ TPM2B_NAME *name = NULL;

	if (handle->tr == ESYS_TR_NONE || leftovers->count == SR_LEFTOVERS_MAX)
		return;
	if (Esys_TR_GetTpmHandle(handle->tpm->esys, handle->tr, &left->handle) !=
		TSS2_RC_SUCCESS ||
	    Esys_TR_GetName(handle->tpm->esys, handle->tr, &name) != TSS2_RC_SUCCESS)
		return;
	left->name = *name;
	leftovers->count++;
}

/* False if the TPM did not answer. Of a session ESYS only knows the number. */
static bool flush(const struct sr_leftover *left, struct sr_tpm *tpm)
{
	_cleanup_handle_ struct sr_handle found = SR_HANDLE(tpm);
	_cleanup_esys_ TPM2B_NAME *name = NULL;
	TSS2_RC rc = SR_TSS(Esys_TR_FromTPMPublic(tpm->esys, left->handle, ESYS_TR_NONE,
						  ESYS_TR_NONE, ESYS_TR_NONE, &found.tr));

	if (rc != TSS2_RC_SUCCESS)
		return sr_tss_code(rc) != 0;
	if (Esys_TR_GetName(tpm->esys, found.tr, &name) != TSS2_RC_SUCCESS ||
	    !sr_name_equal(name, &left->name))
		sr_handle_forget(&found);
	return true;
}

/* What can't be reached again is noted again: here, or by who flushes it. */
void sr_leftovers_flush(struct sr_leftovers *leftovers, struct sr_tpm *tpm)
{
	struct sr_leftovers old = *leftovers;

	leftovers->count = 0;
	while (old.count > 0) {
		const struct sr_leftover *left = &old.left[--old.count];

		if (!flush(left, tpm))
			leftovers->left[leftovers->count++] = *left;
	}
}

/* The lock is the mapping's file's: it is held until the program ends. */
static struct sr_diary *map(int fd)
{
	struct sr_diary *diary;
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
	    (st.st_size != sizeof(*diary) && ftruncate(fd, 0) < 0) ||
	    ftruncate(fd, sizeof(*diary)) < 0)
		return NULL;
	diary = mmap(NULL, sizeof(*diary), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return diary == MAP_FAILED ? NULL : diary;
}

static bool is_good(const struct sr_diary *diary)
{
	bool good =
	    diary->kind == SR_DIARY_KIND && diary->present.count <= SR_LEFTOVERS_MAX;

	for (size_t i = 0; good && i < diary->present.count; i++)
		good = diary->present.left[i].name.size <=
		       sizeof(diary->present.left[i].name.name);
	return good;
}

struct sr_diary *sr_diary_open(const char *path)
{
	_cleanup_close_ int fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct sr_diary *diary = fd < 0 ? NULL : map(fd);

	if (diary && !is_good(diary))
		*diary = (struct sr_diary){ .kind = SR_DIARY_KIND };
	return diary;
}

void sr_diary_close(struct sr_diary *diary)
{
	if (diary)
		(void)munmap(diary, sizeof(*diary));
}
