"""One gather per machine: each module names its sources and parses them into typed facts."""
