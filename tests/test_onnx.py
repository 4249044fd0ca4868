"""ONNX graphs equal torch, in every shape; engines are chosen by what was measured; int8 that loses is not kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rasid.cli import main
from rasid.encoding import PASSAGE, Batch
from rasid.errors import ConfigError, ModelError
from rasid.infer import engines as engines_module
from rasid.infer.articles import Article
from rasid.infer.cpu import Cpu
from rasid.infer.engine import open_engine
from rasid.infer.engines import Choice, choose
from rasid.infer.exported import FOLDER, SUMMARY, Exported, GraphInfo, Speed, graph_file, read_exported, write_exported
from rasid.infer.faults import FullError, is_device_fault, is_full
from rasid.infer.predictor import predict
from rasid.labels import STANCES, WOJOOD
from rasid.model import Head, Loaded, load_model, load_tokenizer, new_model, revision_of, save_model
from rasid.network import TorchNetwork, Wanted, halved
from rasid.places import Place
from rasid.records import read_records
from rasid.scoring import Pair, pair_probs
from rasid.text import Span
from rasid.textscoring import read_articles, word_log_probs

pytest.importorskip("onnxruntime", reason="needs the onnx extra")
pytest.importorskip("onnxscript", reason="needs the onnx extra")

from rasid.infer.onnxnetwork import OnnxNetwork, _translated, with_onnx

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
OLD = Cpu("old", ("avx2",))
NEW = Cpu("new", ("avx2", "avx512f", "avx512_vnni"))


@pytest.fixture(scope="module")
def made(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a `text` head more, and its fp32 and int8 graphs, exported in place."""
    folder = tmp_path_factory.mktemp("onnx") / "tiny"
    heads = {
        "entities": Head(kind="tokens", labels=WOJOOD, nested=True),
        "stance": Head(kind="pair", labels=STANCES),
        "topic": Head(kind="text", labels=("a", "b", "c")),
    }
    torch.manual_seed(1)
    model = new_model(str(tiny_model), heads, window=64, overlap=20, dropout=0.1)
    model.config.in_place = True
    save_model(Loaded(model.eval(), load_tokenizer(tiny_model), "tiny", ""), folder, compress=False)
    assert main(["export", str(folder), "--to", "onnx"]) == 0
    gold = ["--dev", str(ROOT / "annotations/end-of-black-statelet.json"), "--seeds", str(ROOT / "seeds")]
    assert main(["export", str(folder), "--to", "onnx", "--precision", "int8", "--accept-loss", *gold]) == 0
    return folder


@pytest.fixture
def torch_loaded(made: Path) -> Loaded:
    return load_model(str(made))


@pytest.fixture
def onnx_loaded(torch_loaded: Loaded, made: Path) -> Loaded:
    return with_onnx(torch_loaded, made, "fp32")


@pytest.mark.parametrize(("rows", "length", "groups"), [(1, 3, 1), (3, 24, 7), (5, 61, 40), (2, 9, 3)])
def test_every_head_equals_torch_in_every_shape(
    torch_loaded: Loaded, onnx_loaded: Loaded, rows: int, length: int, groups: int
) -> None:
    draw = torch.Generator().manual_seed(rows)
    ids = torch.randint(0, torch_loaded.model.encoder.config.vocab_size, (rows, length), generator=draw)
    mask = torch.ones_like(ids)
    mask[-1, max(1, length // 2) :] = 0
    index = torch.randint(-1, groups, ids.shape, generator=draw) * mask + mask - 1
    batch, exact = Batch(ids, mask, index, groups), TorchNetwork(torch_loaded.model)
    network = onnx_loaded.network
    assert network is not None
    np.testing.assert_allclose(network.log_probs("entities", batch), exact.log_probs("entities", batch), atol=1e-4)
    if groups > 1:
        pairs = Batch(ids, mask, index.clamp(max=PASSAGE), 2)
        one, other = network.log_probs("stance", pairs), exact.log_probs("stance", pairs)
        assert one.shape == other.shape == (rows, len(STANCES))
        np.testing.assert_allclose(one, other, atol=1e-4)
    asked = Wanted("entities", ["topic"], states=True)
    heard, wanted = (each.read(batch, index >= 0, asked) for each in (network, exact))
    assert heard.states is not None
    assert wanted.states is not None
    np.testing.assert_allclose(heard.states, wanted.states, atol=1e-4)
    assert heard.words is not None
    assert wanted.words is not None
    np.testing.assert_allclose(heard.words, wanted.words, atol=1e-4)
    np.testing.assert_allclose(heard.labels["topic"], wanted.labels["topic"], atol=1e-4)
    assert network.read(batch, index >= 0, Wanted(text_heads=["topic"])).words is None


def test_gelus_are_run_as_one_operation(made: Path, tmp_path: Path) -> None:
    """In the form that the exporter writes, ONNX Runtime would take four passes."""
    import onnx
    import onnxruntime

    from rasid.infer.gelus import arrange_gelus

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 3
    for precision in ("fp32", "int8"):
        path = graph_file(made, precision)  # type: ignore[arg-type]
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        kinds = [node.op_type for node in onnx.load(str(tmp_path / "fused.onnx")).graph.node]
        assert kinds.count("Gelu") + kinds.count("BiasGelu") >= 2, precision  # a layer and a head, at least
        assert "Erf" not in kinds, precision
    assert arrange_gelus(graph_file(made, "fp32")) == 0  # they are arranged


def test_scores_equal_torchs(torch_loaded: Loaded, onnx_loaded: Loaded, sentences: Sequence[str]) -> None:
    texts = [sentence.split() * 9 for sentence in sentences] + [["كلمة"], []]
    for one, other in zip(
        word_log_probs(onnx_loaded, "entities", texts), word_log_probs(torch_loaded, "entities", texts), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)
    pairs = [Pair("تركيا", text) for text in sentences]
    pairs += [Pair("الجيش", text, (Span(0, 5),), Place(" ".join(sentences), 0)) for text in sentences[:1]]
    np.testing.assert_allclose(
        pair_probs(onnx_loaded, "stance", pairs), pair_probs(torch_loaded, "stance", pairs), atol=1e-4
    )
    read = [read_articles(loaded, texts, "entities", ["topic"]).labels for loaded in (onnx_loaded, torch_loaded)]
    np.testing.assert_allclose(read[0]["topic"], read[1]["topic"], atol=1e-4)


def test_records_equal_torchs_but_for_the_engines_name(made: Path, sentences: Sequence[str]) -> None:
    articles = [Article(f"a{n}", " ".join(sentences[n:])) for n in range(len(sentences))]
    exact = predict(open_engine(str(made), CPU), articles)
    found = predict(open_engine(str(made), CPU, choice=Choice("onnx", "fp32", "named")), articles)
    assert sum(len(record.entities) for record in exact) > 20
    for one, other in zip(found, exact, strict=True):
        assert one.model is not None
        assert other.model is not None
        assert (one.model.engine, other.model.engine) == ("onnx fp32", "torch fp32")
        assert one.model.revision == other.model.revision
        assert [(e.start, e.end, e.type, e.cluster) for e in one.entities] == [
            (e.start, e.end, e.type, e.cluster) for e in other.entities
        ]
        assert [e.score for e in one.entities] == pytest.approx([e.score for e in other.entities], abs=2e-4)
        assert [(s.target, s.scope, s.label) for s in one.stances] == [
            (s.target, s.scope, s.label) for s in other.stances
        ]


def test_the_summary_says_what_was_made_and_measured(made: Path) -> None:
    exported = read_exported(made, revision_of(made))
    assert set(exported.graphs) == {"fp32", "int8"}
    exact, small = exported.graphs["fp32"], exported.graphs["int8"]
    assert exact.off < 1e-4
    assert exact.heads == ("entities", "stance", "topic")
    assert exact.opset == 18
    assert exact.dev is None
    assert small.dev is not None
    assert small.dev.articles == 1
    assert "7 bits" in small.scheme
    assert small.speed is not None
    assert small.speed.low <= small.speed.ratio <= small.speed.high
    assert graph_file(made, "int8").stat().st_size < graph_file(made, "fp32").stat().st_size
    assert not list((made / FOLDER).glob("_*"))


def test_int8_that_loses_more_than_half_a_point_is_not_kept(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns(FOLDER))
    scores = iter([0.8, 0.79, 0.8, 0.79])
    monkeypatch.setattr("rasid.infer.onnxexport._entity_f1", lambda gold, found: next(scores))
    monkeypatch.setattr("rasid.infer.onnxexport._make", lambda loaded, precision, path: copied(made, path))
    args = ["export", str(folder), "--to", "onnx", "--precision", "int8"]
    gold = ["--dev", str(ROOT / "annotations/end-of-black-statelet.json"), "--seeds", str(ROOT / "seeds")]
    assert main([*args, *gold]) == 2
    assert "int8 loses 1.00 points of entity F1" in capsys.readouterr().err
    assert not graph_file(folder, "int8").exists()
    assert not (folder / FOLDER / SUMMARY).exists()
    assert main([*args, *gold, "--accept-loss"]) == 0
    assert read_exported(folder, revision_of(folder)).graphs["int8"].accepted_loss


def copied(made: Path, path: Path) -> Path:
    return Path(shutil.copyfile(graph_file(made, "int8"), path))


def test_what_cannot_be_exported_is_said(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(made), "--to", "onnx", "--precision", "int8"]) == 2
    assert "--dev RECORDS" in capsys.readouterr().err
    assert main(["export", "news", "--to", "onnx"]) == 2
    assert "--output DIR takes a copy" in capsys.readouterr().err
    assert main(["export", str(made), "--to", "onnx", "--head", "topic"]) == 2
    assert "has all heads" in capsys.readouterr().err


# Choosing


def graphs(folder: Path, monkeypatch: pytest.MonkeyPatch, cpu: Cpu = OLD, **speeds: float) -> str:
    """The folder says of its graphs that they are so many times as fast as torch on the CPU `old`."""
    told = {
        name: GraphInfo(
            file=graph_file(folder, name).name,  # type: ignore[arg-type]
            opset=18,
            onnxruntime="1",
            torch="2",
            heads=("entities",),
            speed=Speed(ratio=ratio, low=ratio, high=ratio, threads=1, cpu="old"),
        )
        for name, ratio in speeds.items()
    }
    write_exported(folder, Exported(revision=revision_of(folder), graphs=told))  # type: ignore[arg-type]
    monkeypatch.setattr(engines_module, "this_cpu", lambda: cpu)
    return str(folder)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "m"))


@pytest.mark.parametrize(
    ("speeds", "cpu", "wanted"),
    [
        ({"fp32": 1.3, "int8": 2.0}, OLD, "onnx int8"),
        ({"fp32": 1.3, "int8": 1.1}, OLD, "onnx fp32"),
        ({"fp32": 1.3}, OLD, "onnx fp32"),
        ({"fp32": 1.02, "int8": 0.7}, OLD, "torch fp32"),
        ({"fp32": 1.3, "int8": 2.0}, NEW, "onnx int8"),  # measured elsewhere, and it has the instruction
        ({"fp32": 1.3, "int8": 2.0}, Cpu("other", ("avx2",)), "torch fp32"),
    ],
)
def test_auto_takes_what_was_measured_to_be_faster(
    folder: Path, monkeypatch: pytest.MonkeyPatch, speeds: dict[str, float], cpu: Cpu, wanted: str
) -> None:
    model = graphs(folder, monkeypatch, cpu, **speeds)
    choice = choose("auto", "auto", CPU, model)
    assert choice.label == wanted
    assert choice.why
    assert choose("torch", "auto", CPU, model).label == "torch fp32"
    assert choose("auto", "fp32", CPU, model).precision == "fp32"


def test_engines_by_name(folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = graphs(folder, monkeypatch, fp32=1.3, int8=2.0)
    assert choose("onnx", "auto", CPU, model).label == "onnx int8"
    assert choose("onnx", "fp32", CPU, model).label == "onnx fp32"
    warning = choose("onnx", "int8", CPU, model).warning
    assert warning is not None
    assert "no VNNI" in warning
    assert choose("torch", "bf16", CPU, model).label == "torch bf16"
    assert choose("auto", "auto", torch.device("cuda"), model).engine == "torch"
    for engine, precision, error in (
        ("onyx", "auto", ConfigError),
        ("torch", "int8", ConfigError),
        ("onnx", "bf16", ModelError),
    ):
        with pytest.raises(error):
            choose(engine, precision, CPU, model)
    with pytest.raises(ConfigError, match="runs on the CPU"):
        choose("onnx", "auto", torch.device("cuda"), model)
    with pytest.raises(ModelError, match="no ONNX graph in it; `rasid export"):
        choose("onnx", "auto", CPU, str(tiny_model))
    assert choose("auto", "auto", CPU, str(tiny_model)) == Choice("torch", "fp32", "no ONNX graph")


def test_graphs_of_other_weights_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs(folder, monkeypatch, fp32=2.0)
    path = folder / FOLDER / SUMMARY
    path.write_text(path.read_text("utf-8").replace(revision_of(folder), "0" * 64), encoding="utf-8")
    with pytest.raises(ModelError, match=r"export.json: made from other weights"):
        choose("auto", "auto", CPU, str(folder))
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"export.json: cannot be read"):
        choose("auto", "auto", CPU, str(folder))


def test_a_damaged_graph_is_a_users_mistake(folder: Path) -> None:
    graph_file(folder, "fp32").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"model.onnx: cannot be run"):
        OnnxNetwork(graph_file(folder, "fp32"), "fp32", {})
    graph_file(folder, "fp32").unlink()
    with pytest.raises(ModelError, match=r"no onnx/model.onnx; `rasid export"):
        with_onnx(load_model(str(folder)), folder, "fp32")


# Jobs


def test_a_job_says_its_engine_and_is_resumed_by_no_other(
    folder: Path, tmp_path: Path, sentences: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    model = graphs(folder, monkeypatch, fp32=1.3)
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in sentences), encoding="utf-8")
    given = ["infer", str(source), "--model", model, "--device", "cpu", "--output", str(tmp_path / "out.jsonl")]
    with monkeypatch.context() as patch:
        patch.setattr("rasid.infer.job._Job._finish", lambda self: 0)  # as if it was killed before its end
        patch.setattr("rasid.infer.job._COMMIT_SECONDS", -1.0)
        assert main(given) == 0
    assert "engine onnx fp32 (1.3 times as fast as torch when exported)" in capsys.readouterr().err
    assert main([*given, "--resume", "--engine", "torch"]) == 2
    assert "--engine is torch and was onnx fp32" in capsys.readouterr().err
    assert main([*given, "--resume"]) == 0
    (first, *_) = [record for _, record in read_records(tmp_path / "out.jsonl")]
    assert first.model is not None
    assert first.model.engine == "onnx fp32"


def test_faults_of_onnxruntime_are_told_apart() -> None:
    full = _translated(Exception("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9"))
    assert isinstance(full, FullError)
    assert is_full(full)
    assert is_device_fault(full)
    assert not is_full(_translated(Exception("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : shapes")))


def test_a_full_memory_halves_the_budget(made: Path, sentences: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(str(made), CPU, 4096, choice=Choice("onnx", "fp32", "named"))
    network: Any = engine.loaded.network
    real = network._session.run

    class Tight:
        def run(self, heads: Any, feed: dict[str, Any], options: Any) -> Any:
            if feed["input_ids"].size > 300:
                raise Exception("[ONNXRuntimeError] : 6 : bad allocation")
            return real(heads, feed, options)

    monkeypatch.setattr(network, "_session", Tight())
    (record,) = predict(engine, [Article("a", " ".join(sentences * 4))])
    assert record.entities
    assert engine.batch_tokens < 4096


# Half precision


def test_half_precision_is_of_the_encoders_parameters_alone(made: Path) -> None:
    exact, half = load_model(str(made)), load_model(str(made))
    halved(half.model, "bf16")
    assert {p.dtype for p in half.model.encoder.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in half.model.heads.parameters()} == {torch.float32}
    assert all(b.dtype != torch.bfloat16 for b in half.model.encoder.buffers())
    ids = torch.randint(5, exact.model.encoder.config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(0))
    index = torch.arange(40).expand(2, 40) // 2
    batch = Batch(ids, torch.ones_like(ids), index, 20)
    one = TorchNetwork(half.model, "bf16").log_probs("entities", batch)
    other = TorchNetwork(exact.model).log_probs("entities", batch)
    assert one.dtype == np.float32
    np.testing.assert_allclose(np.exp(one), np.exp(other), atol=0.1)
    assert not np.array_equal(one, other)
