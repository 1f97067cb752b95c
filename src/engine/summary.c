/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/summary.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/log.h"
#include "engine/dest.h"
#include "engine/dispatch.h"
#include "engine/kernel.h"

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Returns whether the kernel side lost anything. */
static bool log_losses(const uint64_t *counters)
{
	bool any = false;

	for (unsigned int reason = 0; reason < ECAP_LOSS_REASON_COUNT; reason++) {
		uint64_t calls = counters[ECAP_CTR_LOST_CALLS + reason];
		uint64_t bytes = counters[ECAP_CTR_LOST_BYTES + reason];

		if (!calls && !bytes)
			continue;
		any = true;
		ecap_warn("lost %" PRIu64 " byte%s in %" PRIu64 " call%s: %s", bytes, plural(bytes),
			  calls, plural(calls), ecap_loss_name(reason));
	}
	if (counters[ECAP_CTR_LOST_ENDS])
		ecap_warn("%" PRIu64 " starts and ends of processes and connections were missed, "
			  "too",
			  counters[ECAP_CTR_LOST_ENDS]);
	return any;
}

/* Returns whether the output lacks anything. */
static bool log_output(const struct ecap_output *output, uint64_t refused_bytes)
{
	struct ecap_dest_stats stats = ecap_dest_get_stats(output->dest);

	if (stats.refused)
		ecap_warn("%s=%s was too slow: %" PRIu64 " event%s with %" PRIu64
			  " byte%s left out",
			  output->sink->name, ecap_dest_get_name(output->dest), stats.refused,
			  plural(stats.refused), refused_bytes, plural(refused_bytes));
	if (stats.failed)
		ecap_warn("%s=%s: %" PRIu64 " event%s written, %" PRIu64 " not", output->sink->name,
			  ecap_dest_get_name(output->dest), stats.written, plural(stats.written),
			  stats.failed);
	return stats.refused || stats.failed;
}

void ecap_summary_log(const struct ecap_kernel *k, const struct ecap_dispatch *dispatch,
		      const struct ecap_output *outputs, size_t n_outputs)
{
	struct ecap_dispatch_stats stats = ecap_dispatch_get_stats(dispatch);
	uint64_t counters[ECAP_CTR_COUNT] = { 0 };
	int r = ecap_kernel_read_counters(k, counters);
	bool lost;

	ecap_info("seen: %" PRIu64 " byte%s in %" PRIu64 " call%s on %" PRIu64
		  " connection%s of %" PRIu64 " process%s",
		  stats.n_bytes, plural(stats.n_bytes), counters[ECAP_CTR_CALLS],
		  plural(counters[ECAP_CTR_CALLS]), stats.n_conns, plural(stats.n_conns),
		  stats.n_processes, stats.n_processes == 1 ? "" : "es");
	if (r < 0)
		(void)ecap_warn_r(r, "cannot read what was lost");
	lost = r < 0 || log_losses(counters);
	if (stats.n_invalid)
		ecap_warn("%" PRIu64 " record%s from the kernel made no sense and were left out",
			  stats.n_invalid, plural(stats.n_invalid));
	lost = lost || stats.n_invalid;
	for (size_t i = 0; i < n_outputs; i++)
		lost |= log_output(&outputs[i], ecap_dispatch_refused_bytes(dispatch, i));
	if (!lost)
		ecap_info("nothing was lost");
	if (!stats.n_events)
		ecap_info(
			"nothing was seen: did the program use one of the libraries above, and do "
			"-p and -u let it through? `grep -l ssl /proc/*/maps` shows who uses "
			"which");
}
