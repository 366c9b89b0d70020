/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the TPM's response codes mean (TPM 2.0 Part 2, section 6.6). */
#include <time.h>
#include <tss2/tss2_rc.h>

#include "tpm.h"

#define LAYER(rc) ((rc)&TSS2_RC_LAYER_MASK)
#define FORMAT_ONE 0x080U
#define FORMAT_ONE_BITS 0x0bfU /* all but the number and the parameter bit */
#define FORMAT_ZERO_BITS 0xfffU
#define TRIES 20

struct meaning {
	TPM2_RC code;
	int number;
	const char *text;
};

static const struct meaning meanings[] = {
	{ TPM2_RC_LOCKOUT, EBUSY,
	  "the TPM is in dictionary-attack lockout: wait for its recovery time, or reset "
	  "it "
	  "with the lockout authorization" },
	{ TPM2_RC_AUTH_FAIL, EACCES, "wrong PIN" },
	{ TPM2_RC_BAD_AUTH, EACCES, "wrong authorization value" },
	{ TPM2_RC_POLICY_FAIL, EKEYREJECTED, "the policy does not hold" },
	{ TPM2_RC_POLICY, EKEYREJECTED, "the policy does not hold" },
	{ TPM2_RC_PCR_CHANGED, EKEYREJECTED, "PCRs change all the time: try again" },
	{ TPM2_RC_LOCALITY, EKEYREJECTED, "the policy wants another locality" },
	{ TPM2_RC_INTEGRITY, EREMOTE,
	  "sealed by another TPM, or the TPM was cleared since" },
	{ TPM2_RC_OBJECT_MEMORY, ENODEV,
	  "all object slots of the TPM are taken by other programs: end them, or use "
	  "/dev/tpmrm0" },
	{ TPM2_RC_OBJECT_HANDLES, ENODEV,
	  "all object handles of the TPM are taken by other programs: end them, or use "
	  "/dev/tpmrm0" },
	{ TPM2_RC_SESSION_MEMORY, ENODEV,
	  "all session slots of the TPM are taken by other programs: end them, or use "
	  "/dev/tpmrm0" },
	{ TPM2_RC_SESSION_HANDLES, ENODEV,
	  "all session handles of the TPM are taken by other programs: end them, or use "
	  "/dev/tpmrm0" },
	{ TPM2_RC_MEMORY, ENODEV,
	  "the TPM has no memory left: end other programs that use it" },
	{ TPM2_RC_RETRY, ENODEV, "the TPM is busy and stayed so: try again later" },
	{ TPM2_RC_YIELDED, ENODEV, "the TPM is busy and stayed so: try again later" },
	{ TPM2_RC_TESTING, ENODEV,
	  "the TPM tests itself and did not end: try again later" },
	{ TPM2_RC_FAILURE, ENODEV,
	  "the TPM is in failure mode: restart the machine, then ask its vendor" },
	{ TPM2_RC_INITIALIZE, ENODEV,
	  "the TPM was not started by the firmware: restart the machine" },
	{ TPM2_RC_NV_SPACE, EIO, "the TPM has no room for a persistent object" },
	{ TPM2_RC_COMMAND_CODE, EIO, "this TPM does not have the command" },
};

TPM2_RC sr_tss_code(TSS2_RC rc)
{
	TSS2_RC layer = LAYER(rc);

	if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER)
		return 0;
	return rc & FORMAT_ONE ? rc & FORMAT_ONE_BITS : rc & FORMAT_ZERO_BITS;
}

bool sr_tss_again(TSS2_RC rc, unsigned int *tries)
{
	static const TPM2_RC passing[] = {
		TPM2_RC_RETRY,
		TPM2_RC_YIELDED,
		TPM2_RC_TESTING,
		/* Without a resource manager programs wait for each other's slots. */
		TPM2_RC_OBJECT_MEMORY,
		TPM2_RC_SESSION_MEMORY,
	};
	TPM2_RC code = sr_tss_code(rc);
	bool again = false;

	for (size_t i = 0; i < SR_COUNT(passing); i++)
		again = again || code == passing[i];
	if (!again || ++*tries >= TRIES)
		return false;
	(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000L * *tries }, NULL);
	return true;
}

int sr_fail_tss(struct sr_err *err, TSS2_RC rc, const char *what)
{
	TPM2_RC code = sr_tss_code(rc);
	int r = LAYER(rc) == TSS2_TCTI_RC_LAYER ? -ENODEV : -EIO;
	const char *text = Tss2_RC_Decode(rc);

	for (size_t i = 0; code && i < SR_COUNT(meanings); i++)
		if (meanings[i].code == code) {
			r = -meanings[i].number;
			text = meanings[i].text;
			break;
		}
	if (LAYER(rc) == TSS2_TCTI_RC_LAYER)
		text = "the connection to the TPM broke";
	(void)sr_fail(err, r, "%s (%s: 0x%03x)", text, what, rc);
	if (err)
		err->tss = rc;
	return r;
}
