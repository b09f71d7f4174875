"""Each mistake in a playbook is refused with its file, its line and a hint; all of them at once."""

import contextlib
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.playbook import FILES, PlaybookError, Problem, load

SOUND = {
    "company.yaml": """\
name: Talleres Uno
zone: Europe/Madrid
currency: EUR
domains: [uno.example]
aliases: {dos.example: [dos.co.uk, dos.es]}
fields:
  lead.job_title: {from: [cargo]}
  company.machines:
    type: int
    default: 0
    from: [maquinas]
    values: {ninguna: 0}
""",
    "personas.yaml": """\
personas:
  - id: buyer
    name: Buyer
    criteria:
      - id: role
        name: Buys
        when: "lead.job_title.mentions('compras')"
        points: 40
      - id: size
        name: Large
        when: |
          company.employees > 50
          && company.machines > 3
        points: 30
    thresholds: {A: 60, B: 30}
""",
    "scoring.yaml": """\
signals:
  - id: form
    name: Form
    on: form_submitted
    points: 40
    half_life: 30d
    cap: 80
  - id: pricing
    name: Pricing
    on: page_viewed
    when: "touch.path == '/precios'"
    points: 10
    half_life: 7d
    cap: 20
levels: {1: 60, 2: 25}
qualification:
  cells: [A1, B1]
  hand_raises:
    - id: demo
      name: Demo
      on: form_submitted
      when: "touch.form == 'demo'"
exclusions:
  - id: us
    name: Us
    when: "company.is_us"
learnt_weight: 0
""",
    "routing.yaml": """\
relationship: {open_assignment: true, company_owner: false}
teams:
  - id: sales
    name: Sales
    manager: {id: boss, name: Boss, email: boss@uno.example}
    return: level
    calendar: madrid
    reps:
      - id: ana
        name: Ana
        email: ana@uno.example
        weight: 1
        capacity: 20
        skills: [steel]
      - id: ben
        name: Ben
        email: ben@uno.example
        calendar: always
rules:
  - id: steel
    name: Steel
    when: "mql.cell == 'A1' && mql.persona == 'buyer'"
    team: sales
    needs: {language: lead.language, territory: lead.region, skills: [steel]}
    priority: 5
  - id: rest
    name: Rest
    when: "true"
    rep: ben
""",
    "sla.yaml": """\
calendars:
  - id: madrid
    zone: Europe/Madrid
    hours:
      mon: ["09:00-14:00", "16:00-19:00"]
    holidays: {country: ES, subdivision: MD}
    closures:
      - 2026-12-24
      - {from: 2026-12-28, to: 2026-12-31}
policies:
  - id: wait
    clock: wait
    when: "true"
    target: 2h
    ladder: [{at: 100%, do: fallback}]
  - id: answer
    clock: answer
    when: "mql.hand_raise"
    target: 4h
    calendar: rep
    ladder:
      - {at: 50%, do: warn_rep}
      - {at: 200m, do: warn_manager}
      - {at: 100%, do: reassign}
max_reassign: 2
commitments:
  - {id: mqls, name: MQLs, side: marketing, measure: mqls, period: month, target: 40}
  - {id: answered, name: Answered, side: sales, measure: answered_in_time, period: month, target: 90%, team: sales}
""",
    "goals.yaml": """\
goals:
  - {id: won, name: Won, measure: won, period: month, target: 3}
""",
}


def edited(file: str, old: str, new: str) -> dict[str, str]:
    assert SOUND[file].count(old) == 1, f"{old!r} must be in {file} once"
    return SOUND | {file: SOUND[file].replace(old, new)}


def problems(documents: dict[str, str]) -> tuple[Problem, ...]:
    with pytest.raises(PlaybookError) as refused:
        load(documents)
    return refused.value.problems


def warnings(documents: dict[str, str]) -> list[tuple[str, int, str, str]]:
    return [(w.file, w.line, w.message, w.hint) for w in load(documents).warnings]


def test_the_playbook_these_cases_spoil_is_sound_and_gives_no_warning() -> None:
    assert load(SOUND).warnings == ()


def table(text: str) -> list[tuple[str, str, str, int, str, str]]:
    """Two lines a case: what is there → what somebody writes instead (⏎ is a new line, ∅ nothing); then what is said
    to that: the line in the file, how the message begins, and what the hint contains."""
    cases = []
    for spoilt, said in pairwise_lines(text):
        file, _, change = spoilt.partition(": ")
        old, _, new = change.partition(" → ")
        line, _, rest = said.strip().partition(": ")
        message, _, hint = rest.partition(" | ")
        old, new = old.replace("⏎", "\n"), new.replace("⏎", "\n").replace("∅", "")
        cases.append((file, old, new, int(line), message, hint))
    return cases


def pairwise_lines(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return zip(lines[::2], lines[1::2], strict=True)


MISTAKES = table("""
# Keys
company.yaml: zone: → zona:
    1: zone is missing | every playbook must say it
company.yaml: currency: EUR → currency: EUR⏎curency: EUR
    4: unknown key 'curency' | did you mean 'currency'?
scoring.yaml:     half_life: 7d →     halflife: 7d⏎    half_life: 7d
    13: unknown key 'halflife' in signals[2] | did you mean 'half_life'?
scoring.yaml:   cells: [A1, B1] →   cell: [A1, B1]
    17: unknown key 'cell' in qualification | did you mean 'cells'?
scoring.yaml: {1: 60, 2: 25} → {1: 60, 2: 25, 3: 10}
    15: unknown key '3' in levels | known here: 1, 2
routing.yaml:     return: level →     retun: level
    6: unknown key 'retun' in teams[1] | did you mean 'return'?
routing.yaml:         capacity: 20 →         capasity: 20
    13: unknown key 'capasity' in teams[1].reps[1] | did you mean 'capacity'?
routing.yaml: territory: lead.region → teritory: lead.region
    24: unknown key 'teritory' in rules[1].needs | did you mean 'territory'?
sla.yaml: {from: 2026-12-28, to: 2026-12-31} → {from: 2026-12-28, to: 2026-12-31, hour: []}
    9: unknown key 'hour' in calendars[1].closures[2] | did you mean 'hours'?
company.yaml:     values: {ninguna: 0} →     value: {ninguna: 0}
    12: unknown key 'value' in fields.company.machines | did you mean 'values'?
sla.yaml:       mon: [ →       monday: [
    5: there is no day 'monday' | did you mean mon?
company.yaml:   lead.job_title: →   Lead.job_title:
    7: 'Lead.job_title' cannot be a name here | write lead.some_name or company.some_name, in lower case
goals.yaml: target: 3} → target: 3, target: 4}
    2: 'target' is written twice | the first is on line 2; keep one
# Values
scoring.yaml: on: page_viewed → on: page_view
    10: signals[2].on must be one of form_submitted | did you mean 'page_viewed'?
scoring.yaml: half_life: 7d → half_life: 7 days
    13: signals[2].half_life is no duration | write 14d, 4h, 45m, 30s or 1h30m
scoring.yaml: half_life: 7d → half_life: 0d
    13: signals[2].half_life is too short or too long | more than nothing, at most 3660d
scoring.yaml: points: 10 → points: ten
    12: signals[2].points must be a number | write it without quotes: 40 or 2.5
scoring.yaml: points: 10 → points: true
    12: signals[2].points must be a number | write it without quotes: 40 or 2.5
scoring.yaml: points: 10 → points: .inf
    12: signals[2].points must be a number | write it without quotes: 40 or 2.5
scoring.yaml: [A1, B1] → [A1, B4]
    17: qualification.cells[2] must be one of A1 | choose one of them
scoring.yaml:   cells: [A1, B1] →   cells: A1
    17: qualification.cells must be a list | write [one, other]
routing.yaml: weight: 1 → weight: 0
    12: teams[1].reps[1].weight must be greater than 0
routing.yaml: capacity: 20 → capacity: 2.5
    13: teams[1].reps[1].capacity must be a whole number | write it without quotes: 40
routing.yaml: return: level → return: levle
    6: teams[1].return must be one of catch_up, level | did you mean 'level'?
routing.yaml: ana@uno.example → ana(at)uno.example
    11: teams[1].reps[1].email is no e-mail address | such as ana@example.com
routing.yaml: id: ana → id: Ana López
    9: teams[1].reps[1].id is no id | use a-z, 0-9, - and _
routing.yaml: open_assignment: true → open_assignment: yes
    1: relationship.open_assignment must be true or false | write it without quotes
sla.yaml: at: 50% → at: half
    22: policies[2].ladder[1].at is no moment | write a share of the target (50%) or a time (45m)
sla.yaml: at: 50% → at: 0%
    22: policies[2].ladder[1].at is too little or too much | more than 0%
sla.yaml: do: warn_manager → do: warn_manger
    23: policies[2].ladder[2].do must be one of | did you mean 'warn_manager'?
sla.yaml: target: 90% → target: most
    28: commitments[2].target is no amount | write a number (40) or a share (80%)
sla.yaml: 2026-12-24 → 24/12/2026
    8: calendars[1].closures[1].from must be a date | write it as 2026-12-24
goals.yaml: measure: won → measure: wonn
    2: goals[1].measure must be one of mqls, accepted, won, revenue | did you mean 'won'?
company.yaml: currency: EUR → currency: euros
    3: currency is no currency | write its three letters, such as EUR
# Conditions
personas.yaml: lead.job_title.mentions → lead.jobtitle.mentions
    7: unknown variable 'lead.jobtitle' | did you mean 'lead.job_title'?
personas.yaml: company.machines > 3 → company.machine > 3
    13: unknown variable 'company.machine' | did you mean 'company.machines'?
personas.yaml: company.machines > 3 → company.machines > '3'
    13: '>' does not work between int and string | a number is written without quotes
personas.yaml: company.machines > 3 → company.machines > 2.5
    13: '>' does not work between int and double | 3 beside an int, 3.0 beside a double
personas.yaml: company.machines > 3 → company.machines
    13: '&&' does not work between bool and int | check the types of both sides
personas.yaml: lead.job_title.mentions('compras') → lead.job_title
    7: the condition gives string, not true or false | compare it with something: … == …
personas.yaml: lead.job_title.mentions('compras') → touch.form == 'x'
    7: 'touch.form' cannot be used here | this is about the lead, not about one touchpoint
personas.yaml: lead.job_title.mentions('compras') → mql.cell == 'A1'
    7: 'mql.cell' cannot be used here | this is about the lead, not about a qualified lead
personas.yaml: lead.job_title.mentions('compras') → lead.job_title.mention('compras')
    7: unknown function 'mention' | did you mean 'mentions'?
personas.yaml: lead.job_title.mentions('compras') → lead.job_title.lower() == 'x'
    7: unknown function 'lower' | mentions('…') ignores case and accents by itself
personas.yaml: lead.job_title.mentions('compras') → lead.country == ES
    7: unknown word 'ES' | a text is written in quotes: 'ES'
personas.yaml: lead.job_title.mentions('compras') → lead.country = 'ES'
    7: this is no CEL expression | two things are compared with ==
personas.yaml: lead.job_title.mentions('compras') → lead.free_mail and true
    7: this is no CEL expression | 'and' is written &&
personas.yaml: lead.job_title.mentions('compras') → not lead.free_mail
    7: this is no CEL expression | 'not' is written !
personas.yaml: lead.job_title.mentions('compras') → lead == 'x'
    7: 'lead' is no variable by itself | one of: lead.bounced
personas.yaml: lead.job_title.mentions('compras') → lead.free_mail == True
    7: unknown word 'True' | write true
personas.yaml: lead.job_title.mentions('compras') → lead.country != null
    7: '!=' does not work between string and null_type | nothing is ever null
personas.yaml: lead.job_title.mentions('compras') → lead.country in 'ES'
    7: 'in' does not work between string and string | 'in' asks a list
personas.yaml: lead.job_title.mentions('compras') → lead.job_title.matches('(compras')
    7: this is no regular expression | check its brackets
personas.yaml: lead.job_title.mentions('compras') → ∅
    7: the condition is empty | write true, if it is to hold always
personas.yaml: "lead.job_title.mentions('compras')" → 7
    7: personas[1].criteria[1].when is no condition | write one in quotes
scoring.yaml: touch.path == '/precios' → lead.country == 'ES'
    11: 'lead.country' cannot be used here | this is about one touchpoint, not about the lead
routing.yaml: mql.cell == 'A1' → mql.cel == 'A1'
    22: unknown variable 'mql.cel' | did you mean 'mql.cell'?
# What leads nowhere, or cannot be meant
company.yaml: Europe/Madrid → Europe/Madird
    2: there is no time zone 'Europe/Madird' | did you mean 'Europe/Madrid'?
company.yaml: [uno.example] → [www uno]
    4: 'www uno' is no domain | such as example.com
company.yaml: [dos.co.uk, → [www.dos.co.uk,
    5: 'www.dos.co.uk' is no registrable domain | write dos.co.uk
company.yaml: [dos.co.uk, → [co.uk,
    5: 'co.uk' is no registrable domain | such as example.com
company.yaml: {dos.example: → {Dos.example:
    5: 'Dos.example' is no registrable domain | such as example.com
company.yaml: dos.es]} → uno.example]}
    5: 'uno.example' is us | never a lead
company.yaml: dos.es]} → dos.es], tres.example: [dos.es]}
    5: the domain 'dos.es' is there twice | the first is on line 5
company.yaml: dos.es]} → dos.example]}
    5: the domain 'dos.example' is there twice | the first is on line 5
company.yaml: [dos.co.uk, dos.es] → []
    5: 'dos.example' has no other domain | list the others
company.yaml: [dos.co.uk, dos.es] → dos.es
    5: aliases.dos.example
company.yaml: lead.job_title: {from → lead.jobtitle: {from
    7: the own field 'lead.jobtitle' has no type | did you mean 'lead.job_title'? Else say its type
company.yaml: lead.job_title: {from → lead.shoe_size: {from
    7: the own field 'lead.shoe_size' has no type | say its type: string, int, double, bool or list
company.yaml: default: 0 → default: none
    10: the default of 'company.machines' is no int | make it fit the type
company.yaml: {ninguna: 0} → {ninguna: cero}
    12: this value of 'company.machines' is no int | make it fit the type
company.yaml: lead.job_title: {from → lead.free_mail: {from
    7: 'lead.free_mail' cannot be filled by a form | Relevo works it out
company.yaml: lead.job_title: {from → lead.job_title: {type: int, from
    7: 'lead.job_title' is built in, as string | leave its type out
personas.yaml: id: size → id: role
    9: the criterion 'role' is there twice | the first is on line 5
personas.yaml: {A: 60, B: 30} → {A: 30, B: 60}
    15: A must need more points than B | such as {A: 60, B: 30}
scoring.yaml: id: pricing → id: form
    8: the signal 'form' is there twice | the first is on line 2
scoring.yaml: {1: 60, 2: 25} → {1: 25, 2: 60}
    15: level 1 must need more points than level 2 | such as {1: 60, 2: 25}
routing.yaml:     calendar: madrid →     calendar: madird
    7: sla.yaml has no calendar 'madird' | did you mean 'madrid'?
routing.yaml: calendar: always → calendar: allways
    18: sla.yaml has no calendar 'allways' | did you mean 'always'?
routing.yaml: id: ben → id: ana
    15: the rep 'ana' is there twice | the first is on line 9
routing.yaml: {id: boss, → {id: ana,
    5: 'ana' is manager and rep | give the manager an id of their own
routing.yaml: team: sales → team: sale
    23: there is no team 'sale' | did you mean 'sales'?
routing.yaml: rep: ben → rep: benn
    29: there is no rep 'benn' | did you mean 'ben'?
routing.yaml:     rep: ben →     priority: 0
    26: the rule 'rest' must name a team, teams or a rep | exactly one of them
routing.yaml:     rep: ben →     rep: ben⏎    team: sales
    26: the rule 'rest' must name a team, teams or a rep | exactly one of them
routing.yaml:     rep: ben →     rep: ben⏎    teams: [sales, sales]
    26: the rule 'rest' must name a team, teams or a rep | exactly one of them
routing.yaml:     rep: ben →     teams: [sales, sale]
    29: there is no team 'sale' | did you mean 'sales'?
routing.yaml:     rep: ben →     teams: [sales]
    29: one team has no turns to take | write team: sales
routing.yaml:     rep: ben →     teams: [sales, sales]
    29: the team 'sales' is there twice | each gets its turn once
routing.yaml: language: lead.language → language: lead.langage
    24: 'lead.langage' is no text variable of a lead | did you mean 'lead.language'?
routing.yaml: skills: [steel]} → skills: [steal]}
    24: nobody in 'sales' has the skill 'steal' | did you mean 'steel'?
routing.yaml: "true" → "lead.country == 'ES'"
    28: the last rule must match every lead | write when: "true"
sla.yaml: zone: Europe/Madrid → zone: Madrid
    3: there is no time zone 'Madrid' | write an IANA name
sla.yaml: country: ES → country: XX
    6: no public holidays are known for the country 'XX'
sla.yaml: subdivision: MD → subdivision: MAD
    6: ES has no region 'MAD' | known are: AN
sla.yaml: ["09:00-14:00", "16:00-19:00"] → []
    4: there are no opening hours | give at least one day an interval
sla.yaml: "16:00-19:00" → "13:00-19:00"
    5: 13:00-19:00 overlaps the interval in front of it | put them in order
sla.yaml: "16:00-19:00" → "16-19"
    5: '16-19' is no interval | write two times of 24 hours
sla.yaml: to: 2026-12-31 → to: 2026-12-01
    9: the closure ends on 2026-12-01, before it starts | swap the two dates
sla.yaml: calendars:⏎ → calendars:⏎  - {id: team, zone: UTC, hours: {mon: ['09:00-10:00']}}⏎
    2: 'team' has a meaning of its own in policies | choose another id
sla.yaml: calendar: rep → calendar: reps
    20: there is no calendar 'reps' | did you mean 'rep'?
sla.yaml: target: 2h → target: 2h⏎    calendar: rep
    15: a lead that waits has no rep yet | write team, always
sla.yaml: at: 200m → at: 100m
    23: the step at 1h40m does not come after the one before it | put the steps in order
sla.yaml: do: warn_manager → do: fallback
    23: 'fallback' cannot be done on the clock 'answer' | one of: warn_rep, warn_manager, reassign, accept
sla.yaml: do: warn_manager → do: accept
    23: nothing comes after 'accept' | make it the last step
sla.yaml: do: reassign → do: warn_rep
    21: the ladder of a clock 'answer' must end with reassign or accept | as its last step
sla.yaml: {at: 100%, do: fallback} → ∅
    15: the ladder of a clock 'wait' must end with fallback | add {at: 100%, do: fallback}
sla.yaml: measure: mqls → measure: answered_in_time
    27: 'answered_in_time' is not marketing's to promise | marketing promises one of: mqls
sla.yaml: target: 90% → target: 90
    28: 'answered_in_time' is a rate | write a share of at most 100%
sla.yaml: team: sales} → team: sails}
    28: there is no team 'sails' | did you mean 'sales'?
""")


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "message", "hint"), MISTAKES, ids=[f"{each[0]}: {each[4]}"[:80] for each in MISTAKES]
)
def test_mistake(file: str, old: str, new: str, line: int, message: str, hint: str) -> None:
    found = problems(edited(file, old, new))
    matching = [problem for problem in found if problem.message.startswith(message)]
    assert len(matching) == 1, found
    assert (matching[0].file, matching[0].line) == (file, line)
    assert hint in matching[0].hint
    # Nothing else is blamed: at most the same place once more (a wrong key is unknown, and the right one missing).
    assert {problem.file for problem in found} == {file}
    assert len(found) <= 2, found


WARNINGS = table("""
personas.yaml: {A: 60, B: 30} → {A: 90, B: 30}
    15: nobody can be an A of 'buyer' | 70 points at most
scoring.yaml: {1: 60, 2: 25} → {1: 101, 2: 25}
    15: no lead can reach level 1 | all caps together give 100
scoring.yaml: touch.form == 'demo' → touch.fields['plan'] == 'x'
    22: the condition fails where nothing is known: there is no field "plan" | 'x' in touch.fields
personas.yaml: lead.job_title.mentions('compras') → 100 / company.employees > 1
    7: the condition fails where nothing is known: divide by zero | ask first
routing.yaml: mql.persona == 'buyer' → mql.persona == 'buyr'
    22: mql.persona is never 'buyr' | did you mean 'buyer'?
routing.yaml: mql.cell == 'A1' → mql.cell == 'A4'
    22: mql.cell is never 'A4' | known here: A1, A2
routing.yaml: mql.cell == 'A1' && mql.persona == 'buyer' → true
    22: the rule 'steel' matches every lead | move it to the end
sla.yaml: target: 2h → target: 2d
    14: 2d is 48 opening hours, not calendar days | write hours, or calendar: always
sla.yaml:     calendar: rep⏎ →     calendar: rep⏎    again: 5h⏎
    21: the second rep gets more time than the first | such as again: 50%
""")


@pytest.mark.parametrize(("file", "old", "new", "line", "message", "hint"), WARNINGS, ids=[w[4][:60] for w in WARNINGS])
def test_doubtful_but_allowed(file: str, old: str, new: str, line: int, message: str, hint: str) -> None:
    ((where, at, said, advice),) = warnings(edited(file, old, new))
    assert (where, at) == (file, line)
    assert said.startswith(message)
    assert hint in advice


def test_every_mistake_of_every_file_is_said_at_once_in_the_order_of_files_and_lines() -> None:
    documents = dict(SOUND)
    for file, old, new in (
        ("company.yaml", "Europe/Madrid", "Europe/Madird"),
        ("personas.yaml", "lead.job_title.mentions", "lead.jobtitle.mentions"),
        ("personas.yaml", "company.employees > 50", "company.employes > 50"),
        ("personas.yaml", "company.machines > 3", "company.machins > 3"),
        ("personas.yaml", "{A: 60, B: 30}", "{A: 30, B: 60}"),
        ("scoring.yaml", "levels:", "colour: red\nlevels:"),
        ("routing.yaml", "    calendar: madrid", "    calendar: madird"),
        ("routing.yaml", "mql.cell == 'A1'", "mql.cel == 'A1'"),
        ("routing.yaml", "rep: ben", "rep: benn"),
        ("sla.yaml", "do: reassign", "do: warn_rep"),
        ("goals.yaml", "measure: won", "measure: wins"),
    ):
        assert documents[file].count(old) == 1
        documents[file] = documents[file].replace(old, new)
    assert [(problem.file, problem.line) for problem in problems(documents)] == [
        ("company.yaml", 2),
        ("goals.yaml", 2),
        ("personas.yaml", 7),
        ("personas.yaml", 12),
        ("personas.yaml", 13),
        ("personas.yaml", 15),
        ("routing.yaml", 7),
        ("routing.yaml", 22),
        ("routing.yaml", 29),
        ("scoring.yaml", 15),
        ("sla.yaml", 21),
    ]


def test_a_slip_elsewhere_in_company_yaml_does_not_make_own_fields_unknown() -> None:
    found = problems(edited("company.yaml", "currency: EUR", "currency: euros"))
    assert [(problem.file, problem.line) for problem in found] == [("company.yaml", 3)]


def test_missing_and_strange_files() -> None:
    documents = {file: text for file, text in SOUND.items() if file != "sla.yaml"} | {"slas.yaml": SOUND["sla.yaml"]}
    assert [(p.file, p.line, p.message, p.hint) for p in problems(documents)] == [
        ("sla.yaml", 0, "this file is missing", "start from the one in deploy/playbook"),
        ("slas.yaml", 0, "this file is no part of a playbook", "did you mean 'sla.yaml'?"),
    ]
    assert len(problems({})) == 6


def test_a_second_manager_entry_must_be_the_same_person() -> None:
    second = """\
  - id: export
    name: Export
    manager: {id: boss, name: Other, email: other@uno.example}
    calendar: madrid
    reps: [{id: eva, name: Eva, email: eva@uno.example}]
rules:
"""
    found = problems(edited("routing.yaml", "rules:\n", second))
    assert [(p.line, p.message) for p in found] == [(21, "'boss' is somebody else in another team")]
    load(edited("routing.yaml", "rules:\n", second.replace("Other", "Boss").replace("other@", "boss@")))


@given(st.randoms(use_true_random=False), st.sampled_from(FILES))
def test_a_torn_playbook_is_refused_or_read_and_never_crashes(chance: random.Random, file: str) -> None:
    """Files of a sound playbook with pieces cut out, doubled and swapped."""
    text = SOUND[file]
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 40)
        piece = text[at : at + length]
        into = chance.choice(["", piece * 2, piece[::-1], chance.choice("{}[]:&*!|>'\"#%@\n\t -")])
        text = text[:at] + into + text[at + length :]
    with contextlib.suppress(PlaybookError):
        load(SOUND | {file: text})
