"""
Reports: what a run showed, written for people and for programs; nothing is computed here.

| format | for | written |
|---|---|---|
| console | a person at a terminal | as it happens, in the order of the files |
| ndjson | a program that follows a run | as it happens, one JSON object a line |
| json | a program that reads a whole run | at the end, by `report.schema.json` |
| junit | CI | at the end |

`failure` is how a scenario that did not pass is told, the same on the console, in JUnit and through pytest.
"""
