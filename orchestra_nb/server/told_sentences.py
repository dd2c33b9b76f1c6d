"""Sentences of ours that readers are told: why a run waits or failed, what automations did, and what cannot be done.

``%1`` stands for a value. A test finds the words of each in our source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Sentence with a command for a shell to what is said to who reads it on a page that can do it itself.
SAID_ON_PAGES: Final = {
    # runs that wait
    "waits for the pool %1, which is not there: `orchestra pools create %2` makes it": (
        "waits for the pool %1, which is not there: make it on the page Work pools"
    ),
    "waits for the pool %1, which is paused: `orchestra pools resume %2` has it go on": (
        "waits for the pool %1, which is paused: resume it on the page Work pools"
    ),
    # runs
    "%1 has suspended it: orchestra runs resume %2": "%1 has suspended it: have it go on by the button Resume",
    "Run %1 is suspended already. Let it go on with `orchestra runs resume %2`.": (
        "Run %1 is suspended already. Let it go on by its button Resume."
    ),
    "Run %1 is suspended. Let it go on with `orchestra runs resume %2`.": (
        "Run %1 is suspended. Let it go on by its button Resume."
    ),
    "Run %1 is paused. Let it go on with `orchestra runs resume %2`.": (
        "Run %1 is paused. Let it go on by answering it on its page."
    ),
    "Run %1 is %2: it can be retried when it has ended. `orchestra runs cancel` ends it.": (
        "Run %1 is %2: it can be retried when it has ended. Its button Cancel ends it."
    ),
    "Run %1 cannot be resumed from a cell: it never came to its cells. `orchestra runs retry %2` runs them all.": (
        "Run %1 cannot be resumed from a cell: it never came to its cells. Retry it: that runs them all."
    ),
    "Run %1 cannot be resumed from a task: it never came to its tasks. `orchestra runs retry %2` runs them all.": (
        "Run %1 cannot be resumed from a task: it never came to its tasks. Retry it: that runs them all."
    ),
    "Run %1 is %2: it can be resumed from a cell when it has run and ended. `orchestra runs cancel %3` ends it.": (
        "Run %1 is %2: it can be resumed from a cell when it has run and ended. Its button Cancel ends it."
    ),
    "Run %1 is %2: it can be resumed from a task when it has run and ended. `orchestra runs cancel %3` ends it.": (
        "Run %1 is %2: it can be resumed from a task when it has run and ended. Its button Cancel ends it."
    ),
    "Run %1 cannot be resumed from %2: it ran without --cache, so nothing was kept of the cells above it. It can be "
    "resumed from cell 1: `orchestra runs retry %3 --from 1`.": (
        "Run %1 cannot be resumed from %2: it ran without --cache, so nothing was kept of the cells above it. Resume "
        "it from cell 1."
    ),
    "Run %1 cannot be resumed from %2: it has secret parameters, so nothing was kept of the cells above it. It can be "
    "resumed from cell 1: `orchestra runs retry %3 --from 1`.": (
        "Run %1 cannot be resumed from %2: it has secret parameters, so nothing was kept of the cells above it. Resume "
        "it from cell 1."
    ),
    "It is of a task alone: `orchestra runs retry %1` runs that again.": (
        "It is of a task alone: retry it, which runs that again."
    ),
    "It is a subflow: run the one that called it again with `orchestra runs retry %1`.": (
        "It is a subflow: retry the one that called it on its page, %1."
    ),
    "Run %1 waits to be started: end it with `orchestra runs cancel %2`, and set its state then.": (
        "Run %1 waits to be started: cancel it on its page, and set its state then."
    ),
    "Run %1 was called by run %2 and cannot be suspended without it. Ask that one: `orchestra runs suspend %3`.": (
        "Run %1 was called by run %2 and cannot be suspended without it. Suspend that one on its page."
    ),
    "No run %1. `orchestra runs ls` lists the runs.": "No run %1. The page Runs lists them.",
    "No run of a flow or a deployment %1%2. `orchestra stats` lists all.": (
        "No run of a flow or a deployment %1%2. The page Flows lists all."
    ),
    "No run and no deployment has a flow %1. `orchestra stats` lists all that have run.": (
        "No run and no deployment has a flow %1. The page Flows lists all."
    ),
    "A service runs it again where its deployment allows, and after `orchestra runs retry` in any case.": (
        "A service runs it again where its deployment allows, and after Retry in any case."
    ),
    # what is named and is not there
    "There is no deployment %1. `orchestra deployments ls` lists them.": (
        "There is no deployment %1. The page Flows lists them."
    ),
    "No deployment %1. `orchestra deployments ls` lists them.": "No deployment %1. The page Flows lists them.",
    "There is no deployment %1, and no other. `orchestra deploy` makes one.": (
        "There is no deployment %1, and no other. Schedule a notebook in JupyterLab, or deploy a flow with `orchestra "
        "deploy`."
    ),
    "There is no pool %1; there is %2. `orchestra pools create %3` makes it.": (
        "There is no pool %1; there is %2. The page Work pools makes others."
    ),
    "No work pool %1. `orchestra pools ls` lists them.": "No work pool %1. The page Work pools lists them.",
    "No channel %1. `orchestra notifications channels ls` lists them.": (
        "No channel %1. The page Notifications lists them."
    ),
    "No rule %1. `orchestra notifications rules ls` lists them.": "No rule %1. The page Notifications lists them.",
    "No notification %1. `orchestra notifications outbox ls` lists them.": (
        "No notification %1. The page Notifications lists them."
    ),
    "No automation %1. `orchestra automations ls` lists them.": "No automation %1. The page Automations lists them.",
    "No webhook %1. `orchestra webhooks ls` lists them.": "No webhook %1. The page Webhooks lists them.",
    "No message %1 of a webhook. `orchestra webhooks deliveries` lists them.": (
        "No message %1 of a webhook. The page Webhooks lists them."
    ),
    "No dead letter %1. `orchestra dead-letters ls` lists them.": (
        "No dead letter %1. The page Dead letters lists them."
    ),
    "No variable %1. `orchestra variables ls` lists them.": "No variable %1. The page Variables lists them.",
    "The deployment %1 has no version %2. `orchestra deployments versions %3` lists them.": (
        "The deployment %1 has no version %2. Its page lists them."
    ),
    # what is to be made or changed
    "There is a pool %1 already. `orchestra pools update %2` changes it.": (
        "There is a pool %1 already. Change it on the page Work pools, or choose another name."
    ),
    "Say what to change of the webhook, such as its condition: `orchestra webhooks update --help`.": (
        "Say what to change of the webhook, such as its condition."
    ),
    "Say what to change of the pool, such as its concurrency: `orchestra pools update --help`.": (
        "Say what to change of the pool, such as its concurrency."
    ),
    "The pool %1 is that of %2. Have them name another, or force it (`--force`, over HTTP `force=true`): then their "
    "runs wait until there is a pool of this name again.": (
        "The pool %1 is that of %2. Have them name another first: without a pool of this name their runs wait."
    ),
    "Where that is meant, let messages of the channel go to addresses of the own network: there is a box for it in its "
    "form; in a shell it is --allow-private, by HTTP allow_private.": (
        "Where that is meant, let messages of the channel go to addresses of the own network: there is a box for it in "
        "its form."
    ),
    "The cluster of pool %1 cannot be made: %2 `orchestra pools update %3` changes what the pool says.": (
        "The cluster of pool %1 cannot be made: %2 Change what the pool says on the page Work pools."
    ),
    "There is a variable %1 already. Pass overwrite=True to replace its value.": (
        "There is a variable %1 already. Change it in its row, or choose another name."
    ),
}

#: What is said alike everywhere: on pages, over HTTP and in a shell.
SAID_EVERYWHERE: Final = (
    # runs that wait; what starts a service, and tells of limits, no page can do
    "waits for its time, %1",
    "waits for a service, and none is up: `%1` starts one",
    "waits for somebody who serves the pool %1, and nobody does: `%2` does",
    "waits for its turn: 1 run of %1 goes on, and %2 may",
    "waits for its turn: %1 runs of %2 go on, and %3 may",
    "waits for a slot of the limit %1: `orchestra concurrency ls` tells who has them",
    "waits to be started by whoever serves the pool %1, as soon as there is room",
    "waits for a worker",
    "waits for a worker with %1",
    "waits for a worker: %1",
    "waits for a worker with %1: %2",
    "waits for its earlier run",
    "waits for %1",
    "waits for %1 and %2 more",
    "waits for somebody to let it go on (%1): %2",
    "waits for run %1, which %2",
    # how runs ended
    "The %1 (pid %2 on %3) died: %4. %5",
    "The %1 (pid %2 on %3) ended before this did. %4",
    "Task %1 was running (attempt %2): %3",
    "Task %1 was not running: %2",
    "Task %1 never ran: %2",
    "Restart the kernel and run the cells again.",
    "Run the command again.",
    "Run the script again.",
    "Run it again.",
    "It was suspended and nobody resumed it in time: %1",
    "Task %1 failed: %2 (%3)",
    "Task %1 timed out: %2 (%3)",
    "Task %1 crashed: %2 (%3)",
    "Task %1 did not run: %2 (%3)",
    "Cancelled: %1",
    "Cancelled by %1",
    "Cancelled by %1 before it began",
    "Cancelled by %1 before it started",
    "cell %1, line %2",
    "The kernel died (%1)",
    "The kernel died (%1) in %2 of %3. %4",
    "The system kills a process when memory runs out: run it with less data at a time, or more memory.",
    "Native code of a library crashed.",
    "Its last words are in the log.",
    "The process that ran the notebook ended (%1). Run it again.",
    "The command that ran the notebook ended",
    "Ran longer than %1 s",
    "ran longer than %1 s",
    "ran longer than %1 s; its process was ended (%2)",
    "it ran longer than %1 s: %2",
    "task called sys.exit(%1)",
    "Its result cannot be stored: %1: %2",
    "it was stopped before it began",
    "stopped before it began",
    "the driver ended",
    "values that it needs are gone with their worker",
    "The service that ran it was shut down",
    "The process of the flow ended before it began: %1.%2",
    "worker died: %1 (attempt %2 of %3)",
    "Its log has its last words; a worker that is killed each time may need more memory.",
    "Run it again: a new cluster is started, or connected to.",
    "Raise an exception instead of ending the process.",
    "run again on the infrastructure budget (%1 of %2)",
    "could not be started: %1",
    "resumed by %1",
    "resumed from %1 by %2",
    "its dead letter was %1",
    "retried by %1",
    "resumed from %1 by %2",
    "resumed by %1",
    "backfilled by %1",
    "set to %1 by %2",
    # what cannot be done with a run
    "Run %1 has ended already (%2): nothing to suspend.",
    "Run %1 is being cancelled: nothing to suspend.",
    "Run %1 is just being started. Ask again when it is RUNNING.",
    "Run %1 has ended already (%2): nothing to cancel.",
    "Task %1 of run %2 has ended already (%3): nothing to cancel.",
    "Run %1 is %2: there is nothing to retry. Start a new run.",
    "Run %1 is being run again by somebody else.",
    "Run %1 is not suspended: it is %2.",
    "Run %1 is %2 already.",
    "A run that is %1 cannot become %2.",
    "Run %1 is %2 no longer. Look at it again before you set its state.",
    "Run %1 cannot be resumed from a step.",
    "Its tasks are cells of an open notebook: run that cell and those below it there.",
    "It is a sweep: name one of its runs, each of which is of a notebook.",
    "Run %1 is %2: it can be resumed from a cell when it has run and ended.",
    "Run %1 is %2: it can be resumed from a task when it has run and ended.",
    "Run %1 has no task %2. Its tasks: %3.",
    "One run of a task is named by its own name, such as %1.",
    "No task of this run.",
    "Run %1 has no cell %2. Its cells, by number and id: %3.",
    "No cell of this run.",
    "Run %1 is of no deployment, so no service can run it again.",
    "`%1` does, on the machine where its code is.",
    "Its tasks are cells of a notebook: run them again there.",
    "What it executed was not kept.",
    "It ran a whole notebook: run that again with `%1`.",
    "Its tasks were cells of %1 in a kernel that has gone, and what they read was in that kernel's memory. Open the "
    "notebook and run its cells from the top.",
    "Its tasks are cells of %1, whose kernel (pid %2) lives: run the cells again there.",
    "It is a subflow; run %1 called it.",
    "Start a new run.",
    "Run %1 is suspended and of no deployment, so no service can start it. `orchestra runs resume %2` runs it, on the "
    "machine where its code is.",
    "Run %1 waits for no input.",
    "Run %1 does not ask for an input %2.",
    "Run %1 was run again since (epoch %2, %3). Discard this dead letter.",
    "The dead letter %1 is of a task, or of a run of no deployment, so no service can run it again. `orchestra "
    "dead-letters retry %2` does, on the machine where its code is.",
    # deployments and schedules
    "There is no deployment %1. Did you mean %2?",
    "there is no deployment %1 yet",
    "there is no deployment %1 yet. Did you mean %2?",
    "no flow %1 has run or is deployed yet",
    "no flow %1 has run or is deployed yet. Did you mean %2?",
    "there is no secret %1 yet: `orchestra secrets set %2`",
    "The deployment %1 has version %2 by now, not %3. Look at it again.",
    "%1 occurrences until %2 UTC: %3",
    "%1 late, and the schedule skips what it missed",
    "the schedule catches up with the latest occurrence only",
    "A schedule is one of a cron expression, an interval and a recurrence rule.",
    "At least 1 run may go on at a time, not %1.",
    "A priority is a number from -%1 to %2.",
    "The schedule ends at %1, before it starts at %2.",
    "A jitter is a time of 0 or more, not %1 s.",
    "A run may be late by more than 0 s, not by %1 s.",
    "%1 is no duration. Write a number with a unit: 500ms, 2s, 10m, 1h30m.",
    "%1 is a time above 0, not %2.",
    "%1 is no recurrence rule. Write one such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9.",
    "The recurrence rule %1 never falls due: there is no such day.",
    "The cron expression %1 has %2 field. Write five: minute, hour, day of month, month, day of week.",
    "The cron expression %1 has %2 fields. Write five: minute, hour, day of month, month, day of week.",
    # automations
    "its condition does not hold",
    "%1 hops from one automation to the next led here: they start each other",
    "Each time it was tried the process that did it ended before it could say how.",
    "The automation %1 does nothing: give it actions.",
    "The automation %1 waits for nothing: name what is to happen.",
    "There is an automation %1 already.",
    "It was not looked for files: that takes stored secrets, and is for automations that are kept.",
    "There is no folder %1.",
    "%1 names %2 files. %3 are the most that can be watched.",
    "%1 has not answered since %2 UTC.",
    # notifications
    "The rule %1 names no channel that its messages go to.",
    "Name at least one.",
    "The rule %1 tells of nothing: name an occasion or states.",
    "Nothing is told: name an occasion, or states.",
    "There is a channel %1 already.",
    "There is a rule %1 already. Delete it first, or choose another name.",
    "Rules send to the channel %1: %2. Delete them first.",
    "The templates of the rule %1 cannot be used: %2. They may use: %3.",
    "This is no address that apprise knows, or its service needs a package that is not installed. "
    "https://github.com/caronc/apprise lists their forms.",
    "Where %1:// connects to cannot be checked. %2",
    "The service did not take it.",
    "It took longer than %1 s.",
    "It answered %1 %2",
    "%1: redirects are not followed.",
    "%1 is not an address of the open internet. %2",
    "Where that is meant, name the host in allow_private.",
    "Each time it was tried the process that sent it ended before it could say how.",
    # pools
    "it is missing. Name the image that has orchestra-nb: image=NAME:TAG.",
    "it is missing. Name the image that has orchestra-nb: image=NAME:TAG. Where each deployment names its own, say so "
    "by an empty one: image=.",
    "cluster: %1 is no class.",
    "cluster: %1 cannot be imported: its module raised %2.",
    "cluster: %1 cannot be imported: %2.",
    "The cluster class %1 cannot be imported (%2). Install the package that has it (%3), or correct the path.",
    "The cluster class %1 cannot be imported: its module raised %2",
    "The cluster set by %1 cannot be made: %2",
    "%1 could not be started: %2",
    "%1 could not be scaled: %2",
    "%1 ended its own process before it was there (%2).",
    "%1 makes no Dask cluster that runs: what it gave, a %2, has no scheduler_address. Name a class as "
    "dask.distributed.LocalCluster is one, and leave out `asynchronous`.",
    "%1 makes its own certificates, which runs cannot know. Leave out `security`, or configure Dask's TLS by files "
    "(distributed.comm.tls).",
    "it needs the package %1, which is not installed. Install it: %2.",
    "it starts the program %1, which is not on the PATH of %2. Install it, or have what needs the cluster run on a "
    "machine that has it.",
    "%1. Correct its arguments, or what it needs.",
    "The pool %1 cannot be deleted: it is that of every deployment that names none.",
    "Nothing is submitted for runs of the pool %1, of the kind %2: they are processes here.",
    # webhooks and their messages
    "The webhook was paused.",
    "%1 is no name of a webhook: it is a part of an address, and has no '/'.",
    "The secret is none of Standard Webhooks: it is %1 and Base64.",
    "The secret is too short: %1 bytes are the least.",
    "The %1 asks for %2. Templates may use payload, headers and webhook.",
    "The %1 fails: %2",
    "there is no %1: it is empty",
    "there is no %1, only %2",
    "parameters of %1: %2 (A template gives text; {{ 5 }} gives the number 5.)",
    "parameters of %1: %2",
    "The notebook has no parameter %1. Its parameters are: %2.",
    "The notebook has no parameter %1. Did you mean %2? Its parameters are: %3.",
    "The notebook has no parameter %1. Its parameters cell declares none.",
    "The notebook takes no parameters, and was given %1. Put the defaults into a cell and add the tag %2 to it (in "
    "JupyterLab: the property inspector at the right, Cell Tags).",
    "%1 is declared as %2, and was given %3.",
    "Message %1 is %2: only a dead letter is tried again.",
    "Message %1 is %2: only a dead letter is discarded.",
    "The body of message %1 is not kept any more. Have its sender send it again.",
    # variables and tokens
    "There is a variable %1 already.",
    "A token needs a scope. The scopes are: %1.",
)

#: What made an automation fire, and what it did: too short to be looked for elsewhere.
SAID_OF_AUTOMATIONS: Final = (
    "nothing happened until %1 UTC",
    "nothing followed: %1",
    "%1 arrived",
    "%1 of %2 is %3",
    "%1 of %2",
    "run %1 of deployment %2",
    "run %1 again",
    "run %1 is run again already",
    "paused deployment %1",
    "resumed deployment %1",
    "moved deployment %1 to pool %2",
    "moved deployment %1 to pool %2, and a run that waits",
    "moved deployment %1 to pool %2, and %3 runs that wait",
    "paused pool %1",
    "resumed pool %1",
    "cancelled run %1",
    "asked run %1 to suspend itself",
    "a message to channel %1",
    "a call in the outbox: %1",
    "event %1 of %2",
)

#: What is said within other sentences, and too short to be looked for elsewhere.
SAID_WITHIN: Final = (
    "cell %1",
    "task %1",
    "template of %1",
    "template of the resource",
    "command line of %1",
    "killed by %1",
    "exited with %1",
    "ended without saying why",
    "no sign of life since %1 UTC",
    "no sign of life since %1",
)

#: Sentence to the places whose values may be sentences in their turn; all other values are names, or users' own words.
HOLDING: Final[Mapping[str, tuple[int, ...]]] = {
    "waits for run %1, which %2": (2,),
    "The %1 (pid %2 on %3) died: %4. %5": (4, 5),
    "The %1 (pid %2 on %3) ended before this did. %4": (4,),
    "Task %1 was running (attempt %2): %3": (3,),
    "Task %1 was not running: %2": (2,),
    "Task %1 never ran: %2": (2,),
    "It was suspended and nobody resumed it in time: %1": (1,),
    "Task %1 failed: %2 (%3)": (2,),
    "Task %1 timed out: %2 (%3)": (2,),
    "Task %1 crashed: %2 (%3)": (2,),
    "Task %1 did not run: %2 (%3)": (2,),
    "The kernel died (%1)": (1,),
    "The kernel died (%1) in %2 of %3. %4": (1, 2, 4),
    "The process that ran the notebook ended (%1). Run it again.": (1,),
    "ran longer than %1 s; its process was ended (%2)": (2,),
    "it ran longer than %1 s: %2": (2,),
    "The process of the flow ended before it began: %1.%2": (1, 2),
    "worker died: %1 (attempt %2 of %3)": (1,),
    "could not be started: %1": (1,),
    "%1 has suspended it: orchestra runs resume %2": (1,),
    "Cancelled by %1": (1,),
    "Cancelled by %1 before it began": (1,),
    "Cancelled by %1 before it started": (1,),
    "retried by %1": (1,),
    "resumed by %1": (1,),
    "backfilled by %1": (1,),
    "set to %1 by %2": (2,),
    "resumed from %1 by %2": (1, 2),
    "its dead letter was %1": (1,),
    "Run %1 cannot be resumed from %2: it ran without --cache, so nothing was kept of the cells above it. It can be "
    "resumed from cell 1: `orchestra runs retry %3 --from 1`.": (2,),
    "Run %1 cannot be resumed from %2: it has secret parameters, so nothing was kept of the cells above it. It can be "
    "resumed from cell 1: `orchestra runs retry %3 --from 1`.": (2,),
    "%1 occurrences until %2 UTC: %3": (3,),
    "nothing followed: %1": (1,),
    "Where %1:// connects to cannot be checked. %2": (2,),
    "%1 is not an address of the open internet. %2": (2,),
    "The template of %1 cannot be used: %2": (2,),
    "The condition cannot be used: %1": (1,),
    "The %1 asks for %2. Templates may use payload, headers and webhook.": (1,),
    "The %1 fails: %2": (1, 2),
    "parameters of %1: %2 (A template gives text; {{ 5 }} gives the number 5.)": (2,),
    "parameters of %1: %2": (2,),
    "The cluster of pool %1 cannot be made: %2 `orchestra pools update %3` changes what the pool says.": (2,),
    "The cluster class %1 cannot be imported: its module raised %2": (2,),
    "The cluster set by %1 cannot be made: %2": (2,),
    "%1 could not be started: %2": (2,),
    "%1 could not be scaled: %2": (2,),
    "%1 ended its own process before it was there (%2).": (2,),
}
