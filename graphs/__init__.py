"""The turn as a LangGraph state machine: state, nodes, edges, prompts."""
