// tocsin: what a person types. Everything is in run.cc, so that tests can link it.
#include "cli/run.h"

int main(int argc, char** argv) {
  return tocsin::cli::run(std::vector<std::string>(argv + 1, argv + argc));
}
