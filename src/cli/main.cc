// The `synod` command.
#include "cli/commands.h"

int main(int argc, char** argv) { return synod::cli::run(argc, argv); }
