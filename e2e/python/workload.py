"""A workload as it would be without Vox: the official client, told where to ask by its environment and by nothing else."""

import sys
import time

from openai import OpenAI, OpenAIError

QUESTION = "What is the capital of France? One sentence."


def ask(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=48,
        temperature=0,
    )
    completion = answer.parse()
    print(f"model     {completion.model}")
    print(f"decision  {answer.headers.get('x-vox-decision')}")
    print(f"answer    {completion.choices[0].message.content}", flush=True)


def main() -> None:
    model, pause = sys.argv[1], float(sys.argv[2])
    client = OpenAI()
    while True:
        try:
            ask(client, model)
        except OpenAIError as error:
            print(f"failed    {error}", flush=True)
        time.sleep(pause)


main()
