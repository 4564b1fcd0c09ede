"""What Home Assistant makes of messages: its entities, with their states.

Reads a message a line, `{"topic": …, "payload": …}`, in the order of their coming, and prints the entities as JSON. Each
discovery message must fit `discovery.schema.json`. Templates are rendered by Jinja, as Home Assistant does it. What it knows
of Home Assistant was seen in version 2026.2; `check` compares it with the real one.
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


class Entity:
    """One entity, as the state machine has it."""

    def __init__(self, component):
        self.component, self.config = component, {}
        self.state, self.attributes, self.available = "unknown", {}, False

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
        return self.state if self.available else "unavailable"

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
        if self.component == "sensor" and state:
            self.state = float(state)
        elif state:
            self.state = {"ON": "on", "OFF": "off"}[state]
        self.attributes.update(attributes)


def main():
    JINJA.undefined = StrictUndefined if "--strict" in sys.argv else Undefined
    entities, kept, invalid = {}, {}, []
    for line in sys.stdin:
        message = json.loads(line)
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
        # It subscribes, and the broker sends what it keeps.
        for place in (*(place["topic"] for place in config.get("availability", [])), config["state_topic"]):
            if place in kept:
                entity.on_message(place, kept[place])
    found = {
        f"{entity.config['device']['name']}: {entity.config['name']}": {
            "state": entity.seen(),
            "attributes": entity.attributes,
            "config": entity.config,
        }
        for entity in entities.values()
    }
    print(json.dumps({"entities": found, "invalid": invalid}))


main()
