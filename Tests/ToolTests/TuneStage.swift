import Foundation
import Testing

extension Stage {
  /// An evaluator in plain Python: the squared distance of a model's tensors to those of the folder that the first line
  /// of a data file names as `target`.
  ///
  /// Lines of the file `mood` change what it does with the requests counted from 0: `nan 3`, `refuse 3`, `die 3`, and
  /// for all `sleep 0.05`. Every start adds a line to `starts`.
  static let evaluator = """
    import json, os, struct, sys, time

    def tensors(folder):
        with open(os.path.join(folder, "model.safetensors"), "rb") as file:
            data = file.read()
        start = 8 + struct.unpack("<Q", data[:8])[0]
        found = {}
        for name, entry in json.loads(data[8:start]).items():
            if name == "__metadata__":
                continue
            first, end = entry["data_offsets"]
            raw = data[start + first:start + end]
            if entry["dtype"] == "BF16":
                words = struct.unpack("<%dH" % (len(raw) // 2), raw)
                raw = struct.pack("<%dI" % len(words), *(word << 16 for word in words))
            found[name] = struct.unpack("<%df" % (len(raw) // 4), raw)
        return found

    def distance(model, target):
        return sum(sum((a - b) ** 2 for a, b in zip(model[name], target[name])) for name in target) * 1e4

    def say(value):
        print(json.dumps(value), flush=True)

    def mood():
        if not os.path.exists("mood"):
            return []
        with open("mood") as file:
            return [line.split() for line in file]

    with open("starts", "a") as file:
        file.write("start\\n")
    targets = {}
    for entry in json.loads(sys.stdin.readline())["data"]:
        with open(entry["path"]) as file:
            targets[entry["name"]] = tensors(json.loads(file.readline())["target"])
    print("ready", file=sys.stderr)
    say({"ready": True, "program": "tiny", "version": "1.0"})
    for number, line in enumerate(sys.stdin):
        folder = json.loads(line)["model"]
        moods = mood()
        for words in moods:
            if words[0] == "sleep":
                time.sleep(float(words[1]))
        act = next((words[0] for words in moods if words[1] == str(number)), None)
        if act == "die":
            sys.exit("no memory is left\\n")
        if act == "refuse":
            say({"error": "no idea of this one"})
            continue
        model = tensors(folder)
        losses = {name: distance(model, target) for name, target in targets.items()}
        if act == "nan":
            losses = {name: float("nan") for name in losses}
        inode = os.stat(os.path.join(folder, "model.safetensors")).st_ino
        say({"losses": losses, "metrics": {"folder": folder, "inode": inode, "files": sorted(os.listdir(folder))}})

    """

  /// Checkpoints; targets of them; data that name these; the evaluator; and a recipe with two marks.
  func addSearch() throws {
    try addCheckpoints()
    try write(Self.evaluator, to: "score.py")
    let recipe = Self.recipe(base: "./base", "./math", "./code").replacing("bfloat16", with: "float32")
    try write(recipe.replacing("0.6", with: "0.8").replacing("0.4", with: "0.2"), to: "known.yml")
    try expect("merge", "known.yml", "--out", "known")
    for (name, target) in [("safety", "known"), ("domain", "math")] {
      try write("{\"prompt\": \"a\", \"target\": \"\(url(target).path)\"}\n", to: "\(name).jsonl")
    }
    let marked = recipe.replacing("0.6", with: "{search: [0, 1.5]}")
      .replacing("0.4", with: "{search: [-0.5, 1], start: 0}")
    try write(marked, to: "marked.yml")
  }

  /// The words of a search on the safety data.
  func tune(_ words: String..., data: [String] = ["safety.jsonl"]) -> [String] {
    ["tune", "marked.yml", "--evaluator", "python3 score.py"] + data.flatMap { ["--data", $0] } + words
  }

  /// The lines of a work folder's candidates.
  func candidates(_ work: String = "marked.yml.tune") throws -> [[String: Any]] {
    try String(contentsOf: url("\(work)/candidates.jsonl"), encoding: .utf8).split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  func text(_ path: String) throws -> String { try String(contentsOf: url(path), encoding: .utf8) }
}
