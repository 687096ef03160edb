"""Writes what `sam build` would leave of a template: each function's `CodeUri` is the folder of its name beside it.

    as_sam_build.py TEMPLATE FOLDER

Prints, in JSON, which binary belongs into which folder, there to be called `bootstrap`. A build in earnest compiles
each function for release, which takes minutes; the tests put the binaries there that they have anyway. The YAML is
read and written with SAM's own parser, as `sam build` does it.
"""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

source, folder = sys.argv[1:]
template = yaml_parse(Path(source).read_text())
binaries = {}
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        assert resource["Metadata"]["BuildMethod"] == "rust-cargolambda", name
        binaries[name] = resource["Metadata"]["BuildProperties"]["Binary"]
        resource["Properties"]["CodeUri"] = name
        Path(folder, name).mkdir()
Path(folder, "template.yaml").write_text(yaml_dump(template))
print(json.dumps(binaries))
