/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dests.h"

#include <errno.h>

#include "base/log.h"
#include "engine/dest.h"
#include "engine/engine.h"

/* At the end a destination that takes nothing for so many looks is given up. */
#define STALLS_MAX 5

static int open_one(struct ecap_dests *dests, const struct ecap_output_spec *spec, int event_fd)
{
	struct ecap_dest *dest = NULL;
	int r = ecap_dest_open(spec->dest, event_fd, &dest);

	if (r == -ENXIO)
		return ecap_err_r(r,
				  "cannot write to %s: nobody reads this FIFO, start its reader "
				  "first",
				  spec->dest);
	if (r < 0)
		return ecap_err_r(r, "cannot open output %s=%s", spec->sink->name, spec->dest);
	for (size_t i = 0; i < dests->n; i++) {
		if (ecap_dest_is_same_file(dest, dests->items[i].dest)) {
			ecap_err("%s and %s are one file; give each output its own", spec->dest,
				 ecap_dest_get_name(dests->items[i].dest));
			ecap_dest_free(dest);
			return -EINVAL;
		}
	}
	dests->items[dests->n++] = (struct ecap_output){ .sink = spec->sink, .dest = dest };
	return 0;
}

int ecap_dests_open(struct ecap_dests *dests, const struct ecap_output_spec *specs, size_t n_specs,
		    int event_fd)
{
	int r = n_specs <= ECAP_MAX_OUTPUTS ? 0 : -E2BIG;

	for (size_t i = 0; !r && i < n_specs; i++)
		r = open_one(dests, &specs[i], event_fd);
	return r;
}

void ecap_dests_done(struct ecap_dests *dests)
{
	for (size_t i = 0; i < dests->n; i++)
		ecap_dest_free(dests->items[i].dest);
	dests->n = 0;
}

int ecap_dests_start(struct ecap_dests *dests)
{
	for (size_t i = 0; i < dests->n; i++) {
		struct ecap_dest *dest = dests->items[i].dest;
		int r = ecap_dest_start(dest);

		if (r < 0)
			return ecap_err_r(r, "cannot write to %s", ecap_dest_get_name(dest));
	}
	return 0;
}

void ecap_dests_flush(struct ecap_dests *dests)
{
	for (size_t i = 0; i < dests->n; i++)
		ecap_dest_flush(dests->items[i].dest);
}

void ecap_dests_finish(struct ecap_dests *dests)
{
	for (size_t i = 0; i < dests->n; i++)
		ecap_dest_finish(dests->items[i].dest);
}

bool ecap_dests_finished(struct ecap_dests *dests)
{
	for (size_t i = 0; i < dests->n; i++) {
		if (!ecap_dest_finished(dests->items[i].dest))
			return false;
	}
	return true;
}

int ecap_dests_check(struct ecap_dests *dests)
{
	char why[128];

	for (size_t i = 0; i < dests->n; i++) {
		struct ecap_dest *dest = dests->items[i].dest;
		int err = ecap_dest_get_stats(dest).err;

		if (err && err != -EPIPE)
			ecap_err("cannot write to %s: %s; stopping", ecap_dest_get_name(dest),
				 ecap_strerror(err, why, sizeof(why)));
		if (err)
			return err;
	}
	return 0;
}

int ecap_dests_check_stall(struct ecap_dests *dests)
{
	uint64_t progress = 0;
	int r = 0;

	for (size_t i = 0; i < dests->n; i++)
		progress += ecap_dest_get_progress(dests->items[i].dest);
	dests->n_stalled = progress == dests->progress ? dests->n_stalled + 1 : 0;
	dests->progress = progress;
	if (dests->n_stalled < STALLS_MAX)
		return 0;
	for (size_t i = 0; i < dests->n; i++) {
		struct ecap_dest *dest = dests->items[i].dest;

		if (ecap_dest_finished(dest))
			continue;
		r = ecap_err_r(ETIMEDOUT, "%s has taken nothing for %d s, giving it up",
			       ecap_dest_get_name(dest), STALLS_MAX * ECAP_DESTS_STALL_MS / 1000);
		ecap_dest_abandon(dest);
	}
	return r;
}
