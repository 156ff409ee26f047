"""OpenAI's and Anthropic's official clients against a gateway, told where to ask by their environment and by nothing else. Prints a
line for each thing that works, and ends with an error at the first that does not. What stands behind the gateway calls the tool that a
message tells it to call, and repeats what was said."""

import json

import anthropic
import openai

SAID = "is there anybody"
CALL = "call get_weather, please"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA}}


def user(text: str) -> list:
    return [{"role": "user", "content": text}]


def openai_chat(client: openai.OpenAI) -> str:
    raw = client.chat.completions.with_raw_response.create(model="vox/chat", messages=user(SAID), max_tokens=100)
    answer = raw.parse()
    assert SAID in answer.choices[0].message.content, answer
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, answer
    assert not answer.model.startswith("vox/"), "the answer names who served"
    assert raw.headers["x-vox-decision"] and raw.headers["x-vox-attempts"] == "1", dict(raw.headers)
    return answer.model


def openai_stream(client: openai.OpenAI) -> str:
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="vox/chat", messages=user(SAID), stream=True, stream_options=options)
    pieces = list(stream)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert SAID in text, text
    assert pieces[-1].usage.completion_tokens > 0, pieces[-1]
    return f"{len(pieces)} pieces"


def openai_tools(client: openai.OpenAI) -> str:
    first = client.chat.completions.create(model="vox/auto", messages=user(CALL), tools=[TOOL])
    assert first.choices[0].finish_reason == "tool_calls", first
    call = first.choices[0].message.tool_calls[0]
    assert isinstance(json.loads(call.function.arguments), dict), call
    told = [*user(CALL), first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = client.chat.completions.create(model="vox/auto", messages=told, tools=[TOOL])
    assert second.choices[0].finish_reason == "stop" and second.choices[0].message.content, second
    return call.function.name


def openai_streamed_tools(client: openai.OpenAI) -> str:
    stream = client.chat.completions.create(model="vox/auto", messages=user(CALL), tools=[TOOL], stream=True)
    calls = [call for piece in stream if piece.choices for call in piece.choices[0].delta.tool_calls or []]
    assert calls[0].function.name == "get_weather", calls
    json.loads("".join(call.function.arguments or "" for call in calls))
    return f"{len(calls)} pieces"


def openai_schema(client: openai.OpenAI) -> str:
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    answer = client.chat.completions.create(model="vox/parsing", messages=user("Bern"), response_format=wanted)
    value = json.loads(answer.choices[0].message.content)
    assert "city" in value, value
    return json.dumps(value)


def openai_models(client: openai.OpenAI) -> str:
    names = [model.id for model in client.models.list()]
    assert "vox/auto" in names, names
    return f"{len(names)} names"


def openai_error(client: openai.OpenAI) -> str:
    try:
        client.chat.completions.create(model="no-such-model", messages=user(SAID))
    except openai.NotFoundError as error:
        assert error.code == "unknown_model" and "no-such-model" in error.message, error
        return error.code
    raise AssertionError("a model that nobody knows was answered")


def anthropic_message(client: anthropic.Anthropic) -> str:
    answer = client.messages.create(model="vox/chat", max_tokens=100, messages=user(SAID))
    assert SAID in answer.content[0].text and answer.usage.output_tokens > 0, answer
    return answer.stop_reason


def anthropic_stream(client: anthropic.Anthropic) -> str:
    with client.messages.stream(model="vox/chat", max_tokens=100, messages=user(SAID)) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert SAID in text and final.usage.output_tokens > 0, final
    return final.stop_reason


def anthropic_tools(client: anthropic.Anthropic) -> str:
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}]
    first = client.messages.create(model="vox/auto", max_tokens=200, messages=user(CALL), tools=tools)
    assert first.stop_reason == "tool_use", first
    use = next(block for block in first.content if block.type == "tool_use")
    result = [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]
    told = [*user(CALL), {"role": "assistant", "content": first.content}, {"role": "user", "content": result}]
    second = client.messages.create(model="vox/auto", max_tokens=200, messages=told, tools=tools)
    assert second.stop_reason == "end_turn", second
    return use.name


def anthropic_streamed_tools(client: anthropic.Anthropic) -> str:
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}]
    with client.messages.stream(model="vox/auto", max_tokens=200, messages=user(CALL), tools=tools) as stream:
        final = stream.get_final_message()
    use = next(block for block in final.content if block.type == "tool_use")
    assert final.stop_reason == "tool_use" and isinstance(use.input, dict), final
    return use.name


def anthropic_error(client: anthropic.Anthropic) -> str:
    try:
        client.messages.create(model="no-such-model", max_tokens=100, messages=user(SAID))
    except anthropic.NotFoundError as error:
        assert error.body["type"] == "error" and "no-such-model" in error.message, error
        return error.body["error"]["type"]
    raise AssertionError("a model that nobody knows was answered")


def main() -> None:
    of_openai, of_anthropic = openai.OpenAI(), anthropic.Anthropic()
    checks = [openai_chat, openai_stream, openai_tools, openai_streamed_tools, openai_schema, openai_models, openai_error]
    for check in checks:
        print(f"ok  {check.__name__}: {check(of_openai)}", flush=True)
    for check in [anthropic_message, anthropic_stream, anthropic_tools, anthropic_streamed_tools, anthropic_error]:
        print(f"ok  {check.__name__}: {check(of_anthropic)}", flush=True)


main()
