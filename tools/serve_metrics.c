/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server did, in the text form of Prometheus. */
#include "serve_metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "serve.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP sealring_%s %s\n# TYPE sealring_%s %s\n", name, help, name,
		type);
}

static void print_one(FILE *out, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "sealring_%s %" PRIu64 "\n", name, value);
}

static void print_operations(FILE *out, const struct sr_server_counts *counts)
{
	const struct {
		const char *operation, *result;
		uint64_t count;
	} rows[] = {
		{ "sign", "ok", counts->signatures },
		{ "sign", "failed", counts->failed_signatures },
		{ "decrypt", "ok", counts->decryptions },
		{ "decrypt", "failed", counts->failed_decryptions },
		{ "rotate", "ok", counts->rotations },
		{ "rotate", "failed", counts->failed_rotations },
	};

	head(out, "operations_total", "counter", "What was done with keys.");
	for (size_t i = 0; i < SR_COUNT(rows); i++)
		fprintf(
		    out,
		    "sealring_operations_total{operation=\"%s\",result=\"%s\"} %" PRIu64
		    "\n",
		    rows[i].operation, rows[i].result, rows[i].count);
}

static bool was_sent(const struct sr_latency *latency)
{
	for (size_t i = 0; i < SR_LATENCY_BUCKETS; i++)
		if (latency->count[i] > 0)
			return true;
	return false;
}

/*
 * Buckets of Prometheus hold all that is smaller, too. All who can connect read this, and how
 * long one signature took may tell its key: so nothing finer than a millisecond.
 */
static void print_latency(FILE *out, const struct sr_latency *latency)
{
	static const double bounds[] = SR_LATENCY_BOUNDS;
	uint64_t sum = 0;

	for (size_t i = 0; i < SR_COUNT(bounds); i++) {
		sum += latency->count[i];
		fprintf(out,
			"sealring_tpm_command_seconds_bucket{command=\"%s\",le=\"%g\"} "
			"%" PRIu64 "\n",
			latency->command, bounds[i], sum);
	}
	sum += latency->count[SR_COUNT(bounds)];
	fprintf(out,
		"sealring_tpm_command_seconds_bucket{command=\"%s\",le=\"+Inf\"} %" PRIu64
		"\nsealring_tpm_command_seconds_sum{command=\"%s\"} %.3f\n"
		"sealring_tpm_command_seconds_count{command=\"%s\"} %" PRIu64 "\n",
		latency->command, sum, latency->command, latency->seconds,
		latency->command, sum);
}

static void print_all(FILE *out, const struct sr_server *server)
{
	struct sr_server_counts counts;
	struct sr_latency latency;

	sr_server_counts(server, &counts);
	print_operations(out, &counts);
	print_one(out, "refusals_total", "counter",
		  "Keys that were asked for and are not there for that caller.",
		  counts.refusals);
	print_one(out, "key_hits_total", "counter",
		  "Keys that were on the TPM when they were needed.", counts.hits);
	print_one(out, "key_loads_total", "counter",
		  "Keys that had to be loaded when they were needed.", counts.loads);
	print_one(out, "queue_length", "gauge", "Requests that wait for the TPM.",
		  counts.queue);
	print_one(out, "connections", "gauge", "Clients that are connected.",
		  serve_clients());
	head(out, "tpm_command_seconds", "histogram", "How long the TPM took.");
	for (size_t at = 0; sr_server_latency(server, at, &latency); at++)
		if (was_sent(&latency))
			print_latency(out, &latency);
}

char *metrics_text(const struct sr_server *server)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	print_all(out, server);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
