/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What REST shows: keys, and the daemon itself. */
#include <errno.h>
#include <string.h>

#include "key_text.h"
#include "serve_metrics.h"
#include "serve_work.h"

int api_find_key(struct api_work *work, const struct sr_key **ret, struct sr_err *err)
{
	return sr_server_key(work->server, &work->waiter->client->peer, work->key, ret,
			     err);
}

int api_give_key(const struct sr_key *key, struct api_answer *answer, struct sr_err *err)
{
	struct sr_key_info info;
	int r = sr_key_info(key, &info, err);

	if (r == 0)
		api_give(key_to_json(&info), 200, answer);
	return r;
}

static struct json_object *show(const struct api_work *work, const struct sr_key *key,
				const struct sr_key_info *info)
{
	struct json_object *json = NULL;

	(void)key_whole_to_json(sr_server_store(work->server), key, info, &json, NULL);
	return json;
}

int api_list_keys(struct api_work *work, struct sr_err *err)
{
	struct json_object *answer = json_object_new_object();
	struct json_object *keys = json_object_new_array();
	const struct sr_key *key;
	int r = 0;

	json_object_object_add(answer, "keys", keys);
	for (size_t at = 0;
	     r == 0 && (key = sr_server_next_key(work->server,
						 &work->waiter->client->peer, &at));) {
		struct sr_key_info info;

		r = sr_key_info(key, &info, err);
		if (r == 0)
			json_object_array_add(keys, show(work, key, &info));
	}
	if (r < 0)
		json_object_put(answer);
	else
		api_give(answer, 200, work->answer);
	return r;
}

int api_show_key(struct api_work *work, struct sr_err *err)
{
	const struct sr_key *key = NULL;
	struct sr_key_info info;
	int r = api_find_key(work, &key, err);

	if (r == 0)
		r = sr_key_info(key, &info, err);
	if (r == 0)
		api_give(show(work, key, &info), 200, work->answer);
	return r;
}

int api_show_public(struct api_work *work, struct sr_err *err)
{
	const char *format = work->request->format ?: "pem";
	bool ssh = strcmp(format, "ssh") == 0;
	const struct sr_key *key = NULL;
	int r = api_find_key(work, &key, err);

	if (r == 0 && !ssh && strcmp(format, "pem") != 0)
		r = sr_fail(err, -EINVAL, "no format \"%s\": pem or ssh", format);
	if (r == 0)
		r = sr_key_public(key, ssh ? SR_FORM_SSH : SR_FORM_PEM,
				  &work->answer->text, err);
	if (r < 0)
		return r;
	work->answer->status = 200;
	work->answer->type = ssh ? "text/plain" : "application/x-pem-file";
	return 0;
}

int api_show_certificate(struct api_work *work, struct sr_err *err)
{
	int r = sr_server_certificate(work->server, &work->waiter->client->peer,
				      work->key, &work->answer->text, err);

	if (r < 0)
		return r;
	work->answer->status = 200;
	work->answer->type = "application/x-pem-file";
	return 0;
}

/* ---- about the daemon ---- */

int api_show_health(struct api_work *work, struct sr_err *err)
{
	struct json_object *object = json_object_new_object();

	(void)err;
	json_add_text(object, "status", "ok");
	api_give(object, 200, work->answer);
	return 0;
}

int api_show_version(struct api_work *work, struct sr_err *err)
{
	struct json_object *object = json_object_new_object();

	(void)err;
	json_add_text(object, "version", VERSION);
	api_give(object, 200, work->answer);
	return 0;
}

int api_show_metrics(struct api_work *work, struct sr_err *err)
{
	work->answer->text = metrics_text(work->server);
	work->answer->status = 200;
	work->answer->type = "text/plain; version=0.0.4";
	return work->answer->text ? 0 : sr_fail(err, -ENOMEM, "out of memory");
}
