/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stats.h"

#include <string.h>

#include "engine/attacher.h"
#include "engine/dest.h"
#include "engine/dispatch.h"
#include "engine/kernel.h"
#include "engine/pipeline.h"
#include "flow/http.h"

static void read_outputs(const struct ecap_stats_sources *from, struct ecap_stats *ret)
{
	for (size_t i = 0; i < from->n_outputs; i++) {
		const struct ecap_output *spec = &from->specs[i];
		struct ecap_dest_stats dest = ecap_dest_get_stats(spec->dest);

		ret->outputs[i] = (struct ecap_out_output){
			.format = spec->sink->name,
			.dest = ecap_dest_get_name(spec->dest),
			.written = dest.written,
			.refused = dest.refused,
			.refused_bytes = ecap_outputs_refused_bytes(from->outputs, i),
			.failed = dest.failed,
		};
	}
}

static void read_http(const struct ecap_pipeline *pipeline, struct ecap_stats *ret)
{
	const struct ecap_http1_counters *c = ecap_pipeline_counters(pipeline);

	if (!c)
		return;
	const struct ecap_out_counter all[ECAP_STATS_N_HTTP] = {
		{ "exchanges", NULL, c->exchanges },
		{ "requests", NULL, c->requests },
		{ "responses", NULL, c->responses },
		{ "raw_bytes", NULL, c->raw_bytes },
		{ "lost_places", NULL, c->lost_places },
		{ "too_large_heads", "a head was too large and is shown as it came",
		  c->too_large_heads },
		{ "cut_bodies", "only the beginning of a body was kept", c->cut_bodies },
		{ "cut_fields", "a message had more fields than are listed", c->cut_fields },
		{ "stopped_codings", "a body was too large when decoded", c->stopped_codings },
		{ "forgotten", "a request waited too long for its response among many others",
		  c->forgotten },
		{ "no_memory", "there was no memory for a message or a body", c->no_memory },
	};

	memcpy(ret->http, all, sizeof(all));
	ret->out.http = ret->http;
	ret->out.n_http = ECAP_STATS_N_HTTP;
}

int ecap_stats_read(const struct ecap_stats_sources *from, struct ecap_stats *ret)
{
	struct ecap_dispatch_stats seen = ecap_dispatch_get_stats(from->dispatch);
	uint64_t counters[ECAP_CTR_COUNT] = { 0 };
	int r = ecap_kernel_read_counters(from->kernel, counters);

	*ret = (struct ecap_stats){
		.out = {
			.counts_commands = from->counts_commands,
			.is_of_launched = from->is_of_launched,
			.bytes = seen.n_bytes,
			.commands = seen.n_commands,
			.calls = counters[ECAP_CTR_CALLS],
			.conns = seen.n_conns,
			.processes = seen.n_processes,
			.invalid_records = seen.n_invalid,
			.missed_records = counters[ECAP_CTR_LOST_ENDS],
			.missed_files = ecap_attacher_n_missed(from->attacher),
			.lost = ret->lost,
			.outputs = ret->outputs,
			.n_outputs = from->n_outputs,
		},
	};
	for (unsigned int reason = ECAP_LOSS_NONE + 1; reason < ECAP_LOSS_REASON_COUNT; reason++)
		ret->lost[ret->out.n_lost++] = (struct ecap_out_lost){
			.reason = ecap_loss_name(reason),
			.calls = counters[ECAP_CTR_LOST_CALLS + reason],
			.bytes = counters[ECAP_CTR_LOST_BYTES + reason],
		};
	ret->lost[ECAP_LOSS_LATE_ATTACH - 1].calls += seen.n_late;
	read_http(from->pipeline, ret);
	read_outputs(from, ret);
	return r;
}
