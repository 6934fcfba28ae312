"""Our tensor names beside those of the authors' checkpoints and of the Mix Transformer's.

The released code numbers its modules: `block1_2` is level 1's branch in stage 3, `patch_embed23k`
brings level 2 down to level 3 at the end of stage 3, `upsample3_32` brings level 3 up to level 2
at the end of stage 4, and `merge_1234_2` merges level 2 there.
"""

import re

_OF_STAGE = re.compile(
    r"stages\.(?P<stage>\d)\.(?:embed|(?P<part>branches\.\d\.blocks|branches\.\d\.norm"
    r"|fusions\.\d\.(?:down|up|merge)))\.(?P<rest>.+)"
)
_OF_HEAD = re.compile(r"head\.(?:ups\.(?P<up>\d)|(?P<part>fuse|predict))\.(?P<rest>.+)")


def released_name(name: str) -> str:
    """The name of one of our tensors in a released checkpoint.

    Raises:
        KeyError: The released network has no such tensor (the paper's fusion has more).
    """
    if match := _OF_HEAD.fullmatch(name):
        module = (
            f"upsample4_{int(match['up']) + 2}1.mlp"
            if match["up"]
            else {"fuse": "final", "predict": "final_layer"}[match["part"]]
        )
    elif match := _OF_STAGE.fullmatch(name):
        module = _released_module(int(match["stage"]) + 1, match["part"])
    else:
        raise KeyError(name)
    return f"{module}.{_with_nested_dwconv(match['rest'])}"


def _released_module(stage: int, part: str | None) -> str:
    """The released module of a part of a stage; stages and levels count from 1."""
    if part is None:
        return f"patch_embed{stage}"
    kind, index, what = part.split(".")
    level = int(index) + 1
    if kind == "branches":
        number = f"{level}" if level == stage else f"{level}_{stage - level}"
        return f"{what.removesuffix('s')}{number}"
    return {
        "down": f"patch_embed{level - 1}{level}{'k' * (stage - 2)}",
        "up": f"upsample{stage - 1}_{level + 1}{level}.mlp",
        "merge": f"merge_{'1234'[:stage]}_{level}",
    }[what]


def mit_name(name: str) -> str | None:
    """The mit_b* tensor that one of our tensors starts from, or None.

    Every branch of a level starts from the first blocks of that level (Section 4.1), every
    embedding into a level from the patch embedding of that level; merges, upsampling and the head
    have no counterpart.
    """
    match = _OF_STAGE.fullmatch(name)
    if not match:
        return None
    _, index, what = (match["part"] or f"embed.{match['stage']}.down").split(".")
    module = {"blocks": "block", "norm": "norm", "down": "patch_embed"}.get(what)
    return f"{module}{int(index) + 1}.{_with_nested_dwconv(match['rest'])}" if module else None


def level_of(name: str) -> int | None:
    """The resolution level 1 to 4 whose branches or embedding one of our tensors belongs to.

    None for merges, upsampling and the head, which no Mix Transformer has.
    """
    mit = mit_name(name)
    return int(mit.split(".")[0][-1]) if mit else None


# Both spellings of the transformers library: of the published files, and since its version 5.
_SEGFORMER_RENAMES = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        (r"^(segformer\.)?(encoder\.)?", ""),
        (r"^stages\.(\d)\.(patch_embeddings|layer_norm)\.", r"\2.\1."),
        (r"^stages\.(\d)\.blocks\.", r"block.\1."),
        (r"^(patch_embeddings\.\d)\.layer_norm\.", r"\1.norm."),
        (r"^layer_norm\.", "norm."),
        (r"\.(layer_norm_1|layernorm_before)\.", ".norm1."),
        (r"\.(layer_norm_2|layernorm_after)\.", ".norm2."),
        (r"\.attention\.(self\.query|q_proj)\.", ".attn.q."),
        (r"\.attention\.(self\.key|k_proj)\.", ".attn.k."),
        (r"\.attention\.(self\.value|v_proj)\.", ".attn.v."),
        (r"\.attention\.(self|sequence_reduction)\.layer_norm\.", ".attn.norm."),
        (r"\.attention\.(self\.sr|sequence_reduction\.sequence_reduction)\.", ".attn.sr."),
        (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
        (r"\.mlp\.dense([12])\.", r".mlp.fc\1."),
        (r"^patch_embeddings\.", "patch_embed."),
    )
)


def mit_name_of_segformer(name: str) -> str:
    """The mit_b* name of a tensor of the transformers library's SegFormer encoder.

    Keys and values come back as `attn.k` and `attn.v`; mit_b* keeps them in one `attn.kv`. Names
    of other parts, such as a segmentation head, come back changed in no way that matters.
    """
    for pattern, form in _SEGFORMER_RENAMES:
        name = pattern.sub(form, name)
    return re.sub(
        r"^(patch_embed|block|norm)\.(\d)\.",
        lambda match: f"{match[1]}{int(match[2]) + 1}.",
        name,
    )


def _with_nested_dwconv(rest: str) -> str:
    """Both publish a depthwise convolution as a module in a module of its own."""
    return re.sub(r"\bdwconv\.", "dwconv.dwconv.", rest)
