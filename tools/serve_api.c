/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* REST, apart from HTTP: a path and a JSON text come in, a status and one go out. */
#include "serve_api.h"

#include <errno.h>
#include <string.h>

#include "serve_work.h"

#define KEYS "/api/v1/keys"

/* @path: what stands behind the name of a key, where there is one. */
static const struct route {
	bool of_key;
	const char *path;
	const char *method;
	int (*run)(struct api_work *work, struct sr_err *err);
} routes[] = {
	{ false, "/health", "GET", api_show_health },
	{ false, "/version", "GET", api_show_version },
	{ false, "/metrics", "GET", api_show_metrics },
	{ false, KEYS, "GET", api_list_keys },
	{ true, "/public", "GET", api_show_public },
	{ true, "/certificate", "GET", api_show_certificate },
	{ true, "/sign", "POST", api_sign },
	{ true, "/verify", "POST", api_verify },
	{ true, "/decrypt", "POST", api_decrypt },
	{ true, "/derive", "POST", api_derive },
	{ true, "/rotate", "POST", api_rotate },
	{ true, "", "GET", api_show_key }, /* last: any end is this one, too */
};

/* An ssh fingerprint may have slashes in it, so it is the end that counts. */
static bool matches(const struct route *route, const char *path, size_t *key)
{
	size_t size = strlen(path), end = strlen(route->path), begin = strlen(KEYS "/");

	*key = 0;
	if (!route->of_key)
		return strcmp(route->path, path) == 0;
	if (strncmp(path, KEYS "/", begin) != 0 || size <= begin + end ||
	    strcmp(path + size - end, route->path) != 0)
		return false;
	*key = size - begin - end;
	return true;
}

static const struct route *find_route(const struct api_request *request, char **key,
				      struct api_answer *answer)
{
	const char *method =
	    strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
	const struct route *route = routes;
	size_t size = 0;

	while (!matches(route, request->path, &size))
		if (++route == routes + SR_COUNT(routes)) {
			api_refuse(404, "no_such_path",
				   "nothing is served at this path: see tpm-serve(8)",
				   answer);
			return NULL;
		}
	if (strcmp(route->method, method) != 0) {
		api_refuse(405, "no_such_method", "this path has another method", answer);
		answer->allow = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : "POST";
		return NULL;
	}
	*key = strndup(request->path + strlen(KEYS "/") * (size > 0), size);
	return route;
}

struct api_work *api_start(struct sr_server *server, const struct api_request *request,
			   struct waiter *waiter, struct api_answer *answer)
{
	struct api_work *work = calloc(1, sizeof(*work));
	const struct route *route;
	struct sr_err why = { 0 };
	int r;

	if (!work) {
		api_fail(-ENOMEM, &why, answer);
		return NULL;
	}
	*work = (struct api_work){
		.server = server, .request = request, .waiter = waiter, .answer = answer
	};
	route = find_route(request, &work->key, answer);
	if (route) {
		r = work->key ? route->run(work, &why)
			      : sr_fail(&why, -ENOMEM, "out of memory");
		if (r < 0)
			api_fail(r, &why, answer);
	}
	if (waiter->call)
		return work;
	api_free(work);
	return NULL;
}

void api_free(struct api_work *work)
{
	if (!work)
		return;
	if (work->fields[0].name)
		json_done(work->fields);
	for (size_t i = 0; work->digests && i < work->count; i++)
		sr_digest_done(&work->digests[i]);
	free(work->digests);
	free(work->key);
	free(work);
}
