"""What Home Assistant makes of messages: its entities, with their states.

Reads a message a line, `{"topic": …, "payload": …, "retain": …}`, in the order of their coming, and prints the entities as JSON. Each
discovery message must fit `discovery.schema.json`. Templates are rendered by Jinja, as Home Assistant does it. In `seen.jsonl`, which
`check` has written, other lines say what a real one showed there, or that it began anew: where that differs, it is printed too.
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "discovery.schema.json").read_text())
VALIDATORS = {
    component: Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{component}"})
    for component in ("sensor", "binary_sensor")
}
JINJA = ImmutableSandboxedEnvironment(undefined=Undefined)
JINJA.filters["tojson"] = lambda value: json.dumps(value)
JINJA.filters["timestamp_utc"] = lambda value: datetime.fromtimestamp(value, timezone.utc).isoformat()


# What an entity shows of its announcement.
DESCRIBED = ("device_class", "state_class", "unit_of_measurement")


class Entity:
    """One entity, as the state machine has it."""

    def __init__(self, component):
        self.component, self.config = component, {}
        self.state, self.attributes, self.available = None, {}, False

    def render(self, key, payload):
        template = self.config.get(key)
        if template is None:
            return payload
        try:
            value_json = json.loads(payload)
        except ValueError:
            value_json = None
        this = {"state": self.seen(), "attributes": dict(self.attributes)}
        return JINJA.from_string(template).render(value=payload, value_json=value_json, this=this)

    def seen(self):
        if not self.available or self.state is None and "expire_after" in self.config:
            return "unavailable"
        return "unknown" if self.state is None else self.state

    def difference(self, shown):
        """Between what is seen and what a real one showed; `None`: there is none."""
        state = shown["state"]
        state = float(state) if self.component == "sensor" and state not in ("unknown", "unavailable") else state
        described = {key: self.config[key] for key in DESCRIBED if key in self.config}
        own = (self.seen(), described | (self.attributes if self.seen() != "unavailable" else {}))
        return None if own == (state, shown["attributes"]) else f"{own} and not {(state, shown['attributes'])}"

    def on_message(self, topic, payload):
        for place in self.config.get("availability", []):
            if place["topic"] == topic:
                state = JINJA.from_string(place["value_template"]).render(value_json=json.loads(payload))
                self.available = {"online": True, "offline": False}[state]
        # The state is written once for a message, after all that reads it.
        state = self.render("value_template", payload) if topic == self.config["state_topic"] else ""
        attributes = {}
        if topic == self.config.get("json_attributes_topic"):
            attributes = json.loads(self.render("json_attributes_template", payload))
        if state and "last_reset_value_template" in self.config:
            attributes["last_reset"] = self.render("last_reset_value_template", payload)
        if self.component == "sensor" and state:
            self.state = float(state)
        elif state:
            self.state = {"ON": "on", "OFF": "off"}[state]
        self.attributes.update(attributes)


    def subscribe(self, kept):
        """The broker sends what it keeps."""
        for place in (*(place["topic"] for place in self.config.get("availability", [])), self.config["state_topic"]):
            if place in kept:
                self.on_message(place, kept[place])


def differences(step, entities):
    """Between what there is and what a real one showed."""
    named = {f"{entity.config['device']['name']} {entity.config['name']}": entity for entity in entities}
    shown = step["states"]
    if named.keys() != shown.keys():
        return [f"{step['step']}: {sorted(named.keys() ^ shown.keys())}"]
    found = ((name, entity.difference(shown[name])) for name, entity in named.items())
    return [f"{step['step']}: {name}: {difference}" for name, difference in found if difference]


def main():
    JINJA.undefined = StrictUndefined if "--strict" in sys.argv else Undefined
    entities, kept, invalid, steps, different = {}, {}, [], 0, []
    for line in sys.stdin:
        message = json.loads(line)
        if "states" in message:
            steps += 1
            different += differences(message, entities.values())
            continue
        if "reload" in message:
            for entity in entities.values():
                entity.attributes, entity.available = {}, "availability" not in entity.config
                entity.subscribe(kept)
            continue
        topic, payload = message["topic"], message["payload"]
        levels = topic.split("/")
        if levels[0] != "homeassistant" or levels[-1] != "config":
            if message["retain"]:
                kept[topic] = payload
            for entity in entities.values():
                entity.on_message(topic, payload)
            continue
        if not payload:
            entities.pop(topic, None)
            continue
        config = json.loads(payload)
        invalid += [f"{topic}: {error.message}" for error in VALIDATORS[levels[1]].iter_errors(config)]
        entity = entities.setdefault(topic, Entity(levels[1]))
        entity.config = config
        if "availability" not in config:
            entity.available = True
        entity.subscribe(kept)
    found = {
        f"{entity.config['device']['name']}: {entity.config['name']}": {
            "state": entity.seen(),
            "attributes": entity.attributes,
            "config": entity.config,
        }
        for entity in entities.values()
    }
    print(json.dumps({"entities": found, "invalid": invalid, "steps": steps, "different": different}))


main()
