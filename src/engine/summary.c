/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/summary.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/log.h"
#include "sinks/event.h"

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Returns whether anything was lost before the outputs, or may have been. */
static bool log_losses(const struct ecap_out_stats *stats)
{
	bool any = false;

	for (size_t i = 0; i < stats->n_lost; i++) {
		const struct ecap_out_lost *lost = &stats->lost[i];

		if (!lost->calls && !lost->bytes)
			continue;
		any = true;
		if (!lost->bytes) {
			ecap_warn("lost an unknown number of bytes in %" PRIu64 " case%s: %s",
				  lost->calls, plural(lost->calls), lost->reason);
			continue;
		}
		ecap_warn("lost %" PRIu64 " byte%s in %" PRIu64 " call%s: %s", lost->bytes,
			  plural(lost->bytes), lost->calls, plural(lost->calls), lost->reason);
	}
	if (stats->missed_records)
		ecap_warn("%" PRIu64 " starts and ends of processes and connections were missed, "
			  "too",
			  stats->missed_records);
	if (stats->missed_files)
		ecap_warn("%" PRIu64 " file%s that processes ran could not be looked at: gone "
			  "already, or no room",
			  stats->missed_files, plural(stats->missed_files));
	if (stats->invalid_records)
		ecap_warn("%" PRIu64 " record%s from the kernel made no sense and were left out",
			  stats->invalid_records, plural(stats->invalid_records));
	return any || stats->missed_files || stats->invalid_records;
}

/* Returns whether the output lacks anything. */
static bool log_output(const struct ecap_out_output *output)
{
	if (output->refused)
		ecap_warn("%s=%s was too slow: %" PRIu64 " event%s with %" PRIu64
			  " byte%s left out",
			  output->format, output->dest, output->refused, plural(output->refused),
			  output->refused_bytes, plural(output->refused_bytes));
	if (output->failed)
		ecap_warn("%s=%s: %" PRIu64 " event%s written, %" PRIu64 " not", output->format,
			  output->dest, output->written, plural(output->written), output->failed);
	return output->refused || output->failed;
}

/* What HTTP's limits have cut: nothing is lost by that where the plaintext is shown, too. */
static void log_limits(const struct ecap_out_stats *stats)
{
	for (size_t i = 0; i < stats->n_http; i++) {
		const struct ecap_out_counter *c = &stats->http[i];

		if (c->what && c->n)
			ecap_warn("%" PRIu64 " time%s %s (%s)", c->n, plural(c->n), c->what,
				  c->name);
	}
}

static void log_seen(const struct ecap_out_stats *stats)
{
	const char *es = stats->processes == 1 ? "" : "es";

	if (stats->counts_commands)
		ecap_info("seen: %" PRIu64 " command%s of %" PRIu64 " process%s", stats->commands,
			  plural(stats->commands), stats->processes, es);
	else
		ecap_info("seen: %" PRIu64 " byte%s in %" PRIu64 " call%s on %" PRIu64
			  " connection%s of %" PRIu64 " process%s",
			  stats->bytes, plural(stats->bytes), stats->calls, plural(stats->calls),
			  stats->conns, plural(stats->conns), stats->processes, es);
}

/* What to look at if there is nothing. */
static void log_hint(const struct ecap_out_stats *stats)
{
	if (stats->counts_commands && !stats->commands)
		ecap_info("nothing was seen: was a line typed at a prompt, in a shell that runs or "
			  "started since, and do -p and -u let it through? Scripts and `-c` "
			  "commands are not typed");
	else if (!stats->counts_commands && !stats->bytes && stats->is_of_launched)
		ecap_info("nothing was seen: did the command, or what it started, use one of the "
			  "libraries above? Programs in Go and Java, and many in Rust, have TLS of "
			  "their own, which is not captured yet");
	else if (!stats->counts_commands && !stats->bytes)
		ecap_info("nothing was seen: did the program use one of the libraries above, and "
			  "do -p and -u let it through? `grep -l ssl /proc/*/maps` shows who uses "
			  "which");
}

void ecap_summary_log(const struct ecap_out_stats *stats, int err)
{
	bool lost;

	log_seen(stats);
	if (err)
		(void)ecap_warn_r(err, "cannot read what was lost");
	lost = log_losses(stats) || err;
	for (size_t i = 0; i < stats->n_outputs; i++)
		lost |= log_output(&stats->outputs[i]);
	if (!lost)
		ecap_info("nothing was lost");
	log_limits(stats);
	log_hint(stats);
}
