"""Stable codes of the rooms that belong to no system, with their meaning in one sentence: what the reference page prints.

The error codes of images are in `images.errors`, those of a system in its room's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["CODES"]

CODES: Final[Mapping[str, Mapping[str, str]]] = {
    "The command line": {
        "DirectoryFailed": "Writing the sample images failed: space or permissions; what is there is kept.",
        "FileSystem": "A disk is full, or a file or directory may not be read or written.",
        "Internal": "Our bug. Run again with PILOTAGE_DEBUG=1 and report the trace.",
        "InvalidInput": "A request lacks a key, or a value has another JSON type; all faults are listed.",
        "InvalidJSON": "A request is not JSON.",
        "InvalidOption": "An option says nothing, or says it wrong.",
        "InvalidResults": "A file of test results has another form.",
        "MirrorTarget": "A release is mirrored to a repository or to oci:DIR.",
        "NoInstance": "No instance runs here, or the directory holds no store.",
        "NoMirrors": "Files that should hold mirror objects hold none.",
        "NoObjects": "The files hold no object.",
        "NotSettled": "Something still moved when the time was over.",
        "NothingSkipped": "Nothing in the release has a name that --skip gives.",
        "OverrideInvalid": "A registry override is not SOURCE=TARGET.",
        "ReleaseOrderInvalid": "What is to become a release does not fit together; all faults are listed.",
        "UnknownDecision": "There is no decision of this name.",
        "UnknownKind": "There is no kind of this name.",
        "UnknownRole": "There is no such role of an image.",
        "UnknownTopic": "There is nothing of this name to explain.",
        "UnreadableFile": "A file cannot be read.",
        "UnusableDirectory": "The data directory cannot be used.",
        "UpdateGraphUnreachable": "The update service, which knows versions, did not answer.",
        "VersionNotFound": "A version is not in the channel, or not known without the network.",
        "VersionWithoutPayload": "The update service names no payload for the version.",
        "VersionsUnreadable": "A file that maps versions to pull specs cannot be read.",
    },
    "Objects and stores": {
        "AlreadyExists": "An object of this name is there already.",
        "Ambiguous": "A name stands in several namespaces: say NAMESPACE/NAME.",
        "Conflict": "Somebody else changed the object, or owns the fields; read again, or apply with --force-conflicts.",
        "ConnectionLost": "The connection to the API server broke.",
        "DuplicateObject": "Warning: an object stands in a dump twice; which one counts is said.",
        "Expired": "A watch asks for changes that are no longer kept: list again.",
        "Forbidden": "The API server refuses: a right is missing.",
        "Invalid": "The object breaks its schema, or what every object must have.",
        "KindNotServed": "The API server does not serve this kind: its definition is missing.",
        "KubeconfigInvalid": "The kubeconfig, or a file that it names, cannot be used.",
        "MalformedAnswer": "What answered is no Kubernetes API server, or something changed its answer.",
        "MalformedManifest": "A document is no YAML or JSON, or no Kubernetes object; file, document, line and column are named.",
        "MalformedObject": "A field of an object has another type than its kind says.",
        "MalformedSecret": "The data of a Secret is not base64.",
        "MethodNotAllowed": "The kind cannot be asked this way.",
        "NoCluster": "No cluster is configured: there is no kubeconfig, and this is no pod.",
        "NotAStore": "The file is no store of ours.",
        "NotApplied": "Objects are refused; all are named, and nothing was changed.",
        "NotFound": "There is no such object.",
        "ReadOnly": "A dump cannot be changed.",
        "ServerBusy": "The API server asks to come back later.",
        "ServerError": "The API server failed.",
        "StoreBusy": "Another process holds the store.",
        "StoreClosed": "The store was closed while somebody used it.",
        "StoreDamaged": "The file of the store is damaged.",
        "StoreFailed": "The disk under the store failed: space, health or permissions.",
        "StoreTooNew": "A newer pilotage wrote this store.",
        "Timeout": "The server gave up before it had an answer.",
        "TooManyRequests": "The API server limits the rate of requests.",
        "UnknownVersion": "A definition has no version of this name.",
        "UnreadableDump": "Files of a dump cannot be read; all of them are listed.",
        "WatchBroken": "A watch ended in the middle of an event; it is started again.",
    },
    "Release payloads and mirrors: warnings": {
        "ArchitectureMismatch": "The metadata of a payload speaks of another architecture than its image.",
        "ArchitectureMissing": "An OS stream lacks an architecture that another one has.",
        "KubectlVersions": "A payload declares more than two versions of kubectl.",
        "MirrorInvalid": "A mirror is left out: it makes no reference.",
        "MirrorOrderConflict": "Mirror lists of one source contradict each other; they are taken one after the other.",
        "StreamMismatch": "The single stream of a boot image ConfigMap differs from the stream of its name.",
        "TagNotPinned": "A component is named by tag, not by digest.",
        "TagRepeated": "A component is named twice; the last one counts.",
        "TagSkipped": "A tag of a payload names no image.",
        "VersionMismatch": "Two files of a payload name different versions.",
    },
}
