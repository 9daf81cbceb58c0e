"""Language models behind a server: llama.cpp, vLLM, SGLang, Ollama, hosted, decisions."""
