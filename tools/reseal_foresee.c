/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which boot states an update may lead to, by what options say about it. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "reseal.h"

#define PCR_FIRMWARE 0
#define PCR_POLICY 7
#define CAB_MAX 268435456 /* bytes in an archive */
#define BOOTS_USUAL 3	  /* an update of firmware resets more than once */

void reseal_foreseen_done(struct reseal_foreseen *foreseen)
{
	sr_eventlog_free(foreseen->boot.log);
	sr_eventlog_free(foreseen->other);
	reseal_updates_done(&foreseen->updates);
	free(foreseen->seven);
}

/* -- what was said -- */

static int take_boots(struct reseal_foreseen *foreseen, struct sr_err *err)
{
	const char *text = reseal_options.next_boot;
	uint64_t boots = BOOTS_USUAL;
	int r = text && *text ? sr_number_parse(text, SR_BOOTS_MAX, &boots, NULL) : 0;

	if (r < 0 || boots == 0)
		return sr_fail(err, -EINVAL, "--next-boot=%s: 1 to %d boots", text,
			       SR_BOOTS_MAX);
	foreseen->boots = text ? (unsigned int)boots : 0;
	return 0;
}

/* Without --pcrs it is the firmware that changes. */
static int take_named(struct reseal_foreseen *foreseen, struct sr_err *err)
{
	foreseen->named.mask = 1U << PCR_FIRMWARE;
	return choices.pcrs ? sr_pcrs_parse(choices.pcrs, &foreseen->named, err) : 0;
}

static int check(const struct reseal_foreseen *foreseen, struct sr_err *err)
{
	bool unknown = foreseen->named.mask & ~foreseen->named.given;
	bool found = reseal_options.log || reseal_options.cab;

	if (foreseen->updates.count == 0 && !foreseen->boots && !found && !choices.pcrs)
		return sr_fail(
		    err, -EINVAL,
		    "what will change? --next-boot, --dbx, --db or --kek FILE, "
		    "--pcrs 0=HEX, --log FILE or --cab FILE");
	if (reseal_options.log && reseal_options.cab)
		return sr_fail(err, -EINVAL, "--log and --cab: choose one");
	if (reseal_options.cab && choices.pcrs)
		return sr_fail(err, -EINVAL, "--cab is about PCR 0: not with --pcrs");
	if ((foreseen->boots || found) && !unknown)
		return sr_fail(
		    err, -EINVAL,
		    "--next-boot and --log are for PCRs of --pcrs that have no "
		    "value there");
	if (choices.pcrs && unknown && !foreseen->boots && !found)
		return sr_fail(err, -EINVAL,
			       "--pcrs %s: to which values? =HEX says so, or --log FILE; "
			       "--next-boot if nobody knows",
			       choices.pcrs);
	return 0;
}

/* -- what that leads to -- */

/* Nothing is concluded from a log that does not lead to what the TPM holds. */
static int check_replay(const struct reseal_boot *boot, size_t index, unsigned int pcr,
			struct sr_err *err)
{
	struct sr_pcrs replayed;
	uint16_t bank = boot->log->bank[index];
	int r = sr_eventlog_replay(boot->log, bank, &replayed, err);

	if (r < 0)
		return r;
	if (replayed.given & boot->held[index].given & 1U << pcr &&
	    memcmp(replayed.value[pcr], boot->held[index].value[pcr],
		   sr_bank_size(bank)) == 0)
		return 0;
	return sr_fail(err, -EKEYREJECTED,
		       "PCR %u can't be foreseen: this boot's event log does not lead to "
		       "its value in the %s bank",
		       pcr, sr_bank_name(bank));
}

static int find_bank(const struct reseal_foreseen *foreseen, uint16_t bank,
		     struct sr_err *err)
{
	const struct reseal_boot *boot = &foreseen->boot;

	for (size_t i = 0; i < boot->log->banks; i++)
		if (boot->log->bank[i] == bank && boot->active[i])
			return (int)i;
	return sr_fail(err, -EKEYREJECTED,
		       "this boot's event log has no %s bank: nothing can be foreseen",
		       sr_bank_name(bank));
}

static int predict(struct reseal_foreseen *foreseen, struct sr_err *err)
{
	struct sr_pcrs measured;
	int r = reseal_measured(&foreseen->boot, &measured, err);

	return r < 0 ? r
		     : sr_predict(foreseen->boot.log, &measured, foreseen->updates.update,
				  foreseen->updates.count, &foreseen->seven, err);
}

static int take_vendor(struct reseal_foreseen *foreseen, struct sr_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int r = reseal_read(reseal_options.cab, CAB_MAX, &data, &size, err);

	return r < 0
		   ? r
		   : vendor_read(data, size, reseal_options.cab, &foreseen->vendor, err);
}

static int take_other(struct reseal_foreseen *foreseen, struct sr_err *err)
{
	int r = reseal_log(reseal_options.log, &foreseen->other, err);

	return r < 0 ? r : sr_eventlog_check(foreseen->other, reseal_options.log, err);
}

int reseal_foresee(const struct reseal_work *work, struct reseal_foreseen *ret,
		   struct sr_err *err)
{
	int r = take_boots(ret, err);

	if (r == 0)
		r = take_named(ret, err);
	if (r == 0)
		r = reseal_updates(&ret->updates, err);
	if (r == 0)
		r = check(ret, err);
	if (r == 0 && reseal_options.log)
		r = take_other(ret, err);
	if (r == 0 && reseal_options.cab)
		r = take_vendor(ret, err);
	if (r == 0 && (ret->other || ret->vendor.count > 0 || ret->updates.count > 0))
		r = reseal_boot(work->store, work->tpm, &ret->boot, err);
	if (r == 0 && ret->updates.count > 0)
		r = predict(ret, err);
	return r;
}

/* -- for rings of one bank -- */

/* Alternatives for some PCRs, of which each boot state has one. */
struct choice {
	struct sr_pcrs value[2 * SR_UPDATES_MAX];
	size_t count;
};

/* As EDK II would leave PCR 7 after each update, and as other firmware would in the end. */
static int choose_seven(const struct reseal_foreseen *foreseen, uint16_t bank,
			struct choice *ret, struct sr_err *err)
{
	const struct sr_prediction *seven = foreseen->seven;
	int index = find_bank(foreseen, bank, err), r;

	if (index < 0)
		return index;
	r = check_replay(&foreseen->boot, (size_t)index, PCR_POLICY, err);
	/* The last is where confirm takes all updates to have come. */
	if (r == 0 && seven->ambiguous)
		ret->value[ret->count++] = seven->other[index];
	for (size_t i = 0; r == 0 && i < seven->count; i++)
		ret->value[ret->count++] = seven->step[i][index];
	return r;
}

static int choose_other(const struct reseal_foreseen *foreseen, uint16_t bank,
			struct sr_pcrs *ret, struct sr_err *err)
{
	uint32_t wanted = foreseen->named.mask & ~foreseen->named.given;
	int index = find_bank(foreseen, bank, err);
	int r = index < 0 ? index : sr_eventlog_replay(foreseen->other, bank, ret, err);

	for (unsigned int pcr = 0; r == 0 && pcr < SR_PCR_COUNT; pcr++)
		if (wanted & 1U << pcr)
			r = check_replay(&foreseen->boot, (size_t)index, pcr, err);
	if (r == 0 && wanted & ~ret->given)
		r = sr_fail(err, -EINVAL, "%s does not lead to all of these PCRs",
			    reseal_options.log);
	ret->mask = ret->given = wanted;
	return r;
}

static int choose_vendor(const struct reseal_foreseen *foreseen, uint16_t bank,
			 struct choice *ret, struct sr_err *err)
{
	int index = find_bank(foreseen, bank, err);
	int r = index < 0
		    ? index
		    : check_replay(&foreseen->boot, (size_t)index, PCR_FIRMWARE, err);

	for (size_t i = 0; r == 0 && i < foreseen->vendor.count; i++)
		if (foreseen->vendor.value[i].bank == bank)
			ret->value[ret->count++] = foreseen->vendor.value[i];
	if (r == 0 && ret->count == 0)
		r = sr_fail(err, -EINVAL,
			    "%s: its vendor does not say what PCR 0 will be in the %s "
			    "bank: --next-boot needs no value",
			    reseal_options.cab, sr_bank_name(bank));
	return r;
}

/* What is said about PCRs themselves: as given, and as another machine has them. */
static int choose_values(const struct reseal_foreseen *foreseen, uint16_t bank,
			 struct choice *ret, struct sr_err *err)
{
	struct sr_pcrs value = { .bank = bank };
	int r = foreseen->other ? choose_other(foreseen, bank, &value, err) : 0;

	for (unsigned int pcr = 0; r == 0 && pcr < SR_PCR_COUNT; pcr++)
		if (foreseen->named.given & 1U << pcr) {
			value.bank = foreseen->named.bank;
			value.given |= 1U << pcr;
			memcpy(value.value[pcr], foreseen->named.value[pcr],
			       SR_DIGEST_MAX);
		}
	if (r == 0 && value.given)
		ret->value[ret->count++] = value;
	return r;
}

static int add_state(struct sr_plan *plan, const struct sr_pcrs *a,
		     const struct sr_pcrs *b, struct sr_err *err)
{
	struct sr_pcrs *state = &plan->state[plan->states];

	if (plan->states == SR_STATES_MAX)
		return sr_fail(err, -EINVAL,
			       "more than %d boot states are possible: make one update "
			       "after the other",
			       SR_STATES_MAX);
	*state = a ? *a : *b;
	for (unsigned int pcr = 0; a && b && pcr < SR_PCR_COUNT; pcr++)
		if (b->given & 1U << pcr) {
			state->given |= 1U << pcr;
			memcpy(state->value[pcr], b->value[pcr], SR_DIGEST_MAX);
		}
	plan->states++;
	return 0;
}

/* The machine may boot between two updates, so any may be there without the others. */
static int combine(const struct choice *a, const struct choice *b, struct sr_plan *plan,
		   struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; i <= a->count; i++)
		for (size_t j = 0; r == 0 && j <= b->count; j++)
			if (i > 0 || j > 0)
				r = add_state(plan, i ? &a->value[i - 1] : NULL,
					      j ? &b->value[j - 1] : NULL, err);
	return r;
}

int reseal_plan(const struct reseal_foreseen *foreseen, uint16_t bank,
		struct sr_plan *ret, struct sr_err *err)
{
	struct sr_plan plan = { .boots = foreseen->boots };
	struct choice seven = { .count = 0 }, values = { .count = 0 };
	int r = foreseen->seven ? choose_seven(foreseen, bank, &seven, err) : 0;

	if (r == 0)
		r = foreseen->vendor.count > 0
			? choose_vendor(foreseen, bank, &values, err)
			: choose_values(foreseen, bank, &values, err);
	if (r == 0)
		r = combine(&seven, &values, &plan, err);
	if (foreseen->boots)
		plan.open = foreseen->named.mask & ~foreseen->named.given;
	if (r == 0)
		*ret = plan;
	return r;
}
