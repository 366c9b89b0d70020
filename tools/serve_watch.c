/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-serve: where keys and their rules are is watched, also when another directory is there. */
#include <sys/inotify.h>
#include <sys/stat.h>

#include "serve.h"

#define WATCHED                                                                          \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |          \
	 IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)
#define LEFT (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)

static sd_event *loop;
static struct sr_server *keys;

/*
 * @there: a directory is, and @source watches it; @device and @inode tell it from another.
 */
static struct place {
	char *path;
	bool there;
	dev_t device;
	ino_t inode;
	sd_event_source *source;
} places[2];

/* A number of an inode that is free may be that of the next directory. */
static int on_change(sd_event_source *source, const struct inotify_event *change,
		     void *arg)
{
	struct place *place = arg;

	(void)source;
	if (change->mask & LEFT)
		place->there = false;
	sr_server_changed(keys);
	return 0;
}

/*
 * Before what clients ask is looked at, so that they get what is there by then. What can't be
 * watched is looked at each time: who may not use a key any more must not go on.
 */
static void watch(struct place *place)
{
	place->source = sd_event_source_disable_unref(place->source);
	place->there =
	    place->there && sd_event_add_inotify(loop, &place->source, place->path,
						 WATCHED, on_change, place) >= 0;
	if (place->there)
		(void)sd_event_source_set_priority(place->source,
						   SD_EVENT_PRIORITY_IMPORTANT);
	sr_server_changed(keys);
}

/* The directory above is not for everybody to watch. */
static void look(struct place *place)
{
	struct stat st = { 0 };
	bool there = stat(place->path, &st) == 0;

	if (there == place->there && st.st_dev == place->device &&
	    st.st_ino == place->inode)
		return;
	place->there = there;
	place->device = st.st_dev;
	place->inode = st.st_ino;
	watch(place);
}

void watch_look(void)
{
	for (size_t i = 0; i < SR_COUNT(places); i++)
		if (places[i].path)
			look(&places[i]);
}

static char *path_in(char *dir, const char *name)
{
	_cleanup_free_ char *parent = dir;
	char *path = NULL;

	return parent && asprintf(&path, "%s/%s", parent, name) >= 0 ? path : NULL;
}

void watch_start(sd_event *event, struct sr_server *server)
{
	loop = event;
	keys = server;
	places[0].path = path_in(tool_state_dir(), "keys");
	places[1].path = path_in(tool_config_dir(), "keys.d");
	watch_look();
}

void watch_end(void)
{
	for (size_t i = 0; i < SR_COUNT(places); i++) {
		(void)sd_event_source_disable_unref(places[i].source);
		free(places[i].path);
		places[i] = (struct place){ 0 };
	}
}
