"""The controller loop, written once: keys in a queue, one worker per key, level-triggered.

    clock, retry         time as a thing that is handed in; how long until the next try
    queue                which key is next: deduplication, delays, back-off, two priorities
    informer, cache      all objects of a kind in memory, kept true by list and watch; the `Reader` over them
    named                only those objects of a kind that other objects name
    controller           what a system declares: kind, watches, and a reconcile that returns a plan
    perform, events      walks a plan and hands each action to the store; what `kubectl describe` shows
    loop, runner, tasks  one controller at work; all of them on a store, from start to graceful stop
    lease, fence         which of several processes acts; a store that writes only while it is this one

A controller stays about one screen because of this room. Nothing here knows what any system decides, nor images.
"""
