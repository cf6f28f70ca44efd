"""Lists, single objects and watches, as objects or as tables."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import web

from merlin.localcluster.api import errors
from merlin.localcluster.api.call import Place, number_of
from merlin.localcluster.api.kinds import Manifest
from merlin.localcluster.api.selectors import selector_of
from merlin.localcluster.api.store import Key, Store, Stored
from merlin.localcluster.api.table import table_of
from merlin.localcluster.api.watch import Event, Hub, Wanted

JSON: Final = "application/json"
_LONGEST_WATCH_SECONDS: Final = 3600.0


def wants_table(accept: str) -> bool:
    """Whether kubectl asks for something to show to people."""
    return "as=Table" in accept and "v=v1;" in accept.replace(" ", "") + ";"


def json_response(manifest: Manifest, status: int = 200) -> web.Response:
    """An object as an answer."""
    return web.Response(body=orjson.dumps(manifest), status=status, content_type=JSON)


class Reader:
    """The one door to reading."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub

    def get(self, place: Place, query: Mapping[str, str], accept: str) -> web.Response:
        """One object. Raises Refused (404)."""
        found = self._store.stored(place.resource, place.namespace, place.name)
        if found is None:
            raise errors.not_found(place.resource, place.name)
        if wants_table(accept):
            metadata = {"resourceVersion": str(found.version)}
            include = query.get("includeObject", "Metadata")
            return json_response(table_of([found.manifest], place.resource, metadata, include))
        return web.Response(body=found.text, content_type=JSON)

    def listing(self, place: Place, query: Mapping[str, str], accept: str) -> web.Response:
        """A list, or a page of one. Raises Refused (400, 410, 504)."""
        self._check_version(place, query)
        chosen = self.chosen(place, query)
        metadata: Manifest = {"resourceVersion": str(self._store.version)}
        page, limit = chosen, number_of(query, "limit") or 0
        if token := query.get("continue"):
            version, start = _token(token)
            if version < self._hub.oldest(place.resource) and version != self._store.version:
                raise errors.expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a "
                    "new list without the continue parameter."
                )
            metadata["resourceVersion"] = str(version)
            chosen = self._chosen_of(place, query, self._hub.listed_at(place.resource, place.namespace, version))
            page = [(key, one) for key, one in chosen if list(key) > start]
        if limit and len(page) > limit:
            rest = len(page) - limit
            page = page[:limit]
            metadata["continue"] = _continue(metadata["resourceVersion"], page[-1][0])
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = rest
        if wants_table(accept):
            include = query.get("includeObject", "Metadata")
            return json_response(table_of((one.manifest for _, one in page), place.resource, metadata, include))
        head = {"kind": f"{place.resource.kind}List", "apiVersion": place.resource.api_version, "metadata": metadata}
        items = b",".join(_entry(place, one) for _, one in page)
        return web.Response(body=orjson.dumps(head)[:-1] + b',"items":[' + items + b"]}", content_type=JSON)

    def chosen(self, place: Place, query: Mapping[str, str]) -> list[tuple[Key, Stored]]:
        """What the selectors of the query choose. Raises Refused (400)."""
        return self._chosen_of(place, query, self._store.listed(place.resource, place.namespace))

    def _chosen_of(
        self, place: Place, query: Mapping[str, str], listed: list[tuple[Key, Stored]]
    ) -> list[tuple[Key, Stored]]:
        choose = selector_of(place.resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        return listed if choose is None else [(key, one) for key, one in listed if choose(one.manifest)]

    async def watch(
        self, request: web.BaseRequest, place: Place, query: Mapping[str, str], accept: str
    ) -> web.StreamResponse:
        """Stream changes until the time is over. Raises Refused (400, 500)."""
        wanted = _wanted(place, query)
        as_table = wants_table(accept)
        response = web.StreamResponse(headers={"Content-Type": JSON})
        await response.prepare(request)
        include = query.get("includeObject", "Metadata")
        try:
            async for events in self._hub.events(wanted):
                lines = (_as_table(event, place, include) if as_table else event.line() for event in events)
                if body := b"".join(lines):
                    await response.write(body)
            await response.write_eof()
        except ConnectionError:
            pass  # the watcher went away
        return response

    def _check_version(self, place: Place, query: Mapping[str, str]) -> None:
        wanted = _version(query)
        if wanted and wanted > self._store.version:
            raise errors.too_new(wanted, self._store.version)
        match = query.get("resourceVersionMatch", "")
        if match == "Exact" and wanted is not None and wanted < self._hub.oldest(place.resource):
            raise errors.expired(f"The resourceVersion for the provided list is too old: {wanted}")


def _wanted(place: Place, query: Mapping[str, str]) -> Wanted:
    fields = query.get("fieldSelector", "")
    if place.name:
        fields = f"metadata.name={place.name}"
    version = _version(query)
    initial = query.get("sendInitialEvents", "").lower() in ("true", "1")
    if initial and query.get("resourceVersionMatch") != "NotOlderThan":
        cause = errors.Cause(
            "FieldValueForbidden",
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
        raise errors.invalid_options("ListOptions", [cause])
    seconds = number_of(query, "timeoutSeconds")
    bookmarks = query.get("allowWatchBookmarks", "").lower() in ("true", "1")
    return Wanted(
        place.resource,
        place.namespace,
        selector_of(place.resource, query.get("labelSelector", ""), fields),
        after=None if initial or not version else version,
        seconds=float(seconds) if seconds else _LONGEST_WATCH_SECONDS,
        bookmarks=bookmarks,
        initial_bookmark=initial and bookmarks,
    )


def _version(query: Mapping[str, str]) -> int | None:
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise errors.Refused(500, "", f'resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def _as_table(event: Event, place: Place, include: str) -> bytes:
    if event.type == "ERROR":
        return event.line()
    metadata = {"resourceVersion": event.stored.manifest["metadata"]["resourceVersion"]}
    listed = [] if event.type == "BOOKMARK" else [event.stored.manifest]
    return orjson.dumps({"type": event.type, "object": table_of(listed, place.resource, metadata, include)}) + b"\n"


def _continue(version: str, key: tuple[str, str]) -> str:
    start = {"v": "meta.k8s.io/v1", "rv": int(version), "start": list(key)}
    return base64.urlsafe_b64encode(orjson.dumps(start)).decode().rstrip("=")


def _entry(place: Place, one: Stored) -> bytes:
    """As an entry of a list: those of built-in kinds do not say what they are."""
    head = f'{{"apiVersion":"{place.resource.api_version}","kind":"{place.resource.kind}",'.encode()
    if not place.resource.custom and one.text.startswith(head):
        return b"{" + one.text[len(head) :]
    return one.text


def _token(text: str) -> tuple[int, list[str]]:
    content = b""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        read = orjson.loads(content)
        return int(read["rv"]), [str(part) for part in read["start"]]
    except (ValueError, KeyError, TypeError) as error:
        why = f"invalid character '{chr(content[0])}' looking for beginning of value" if content else "it is empty"
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {why}") from error
