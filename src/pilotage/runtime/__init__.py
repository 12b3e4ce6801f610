"""The controller loop, written once: keys in a queue, one worker per key, level-triggered.

`queue` (deduplication, back-off), `informer` (list, watch, index), `controller` (observe, decide, act), `perform` (walks
a plan and hands each action to the store), `events`, `clock`. A controller stays about one screen because of this room.
Nothing here knows what any system decides, nor images.
"""
