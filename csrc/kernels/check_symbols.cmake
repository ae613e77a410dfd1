# Fails the build when a kernel object defines a weak symbol. Such a symbol (an inline function, a
# template with external linkage) may exist in several objects, compiled for different instruction
# sets; the linker keeps any one of them and the others' processors would run it.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "nm failed on ${object}")
  endif()
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" weak "${symbols}")
  # Sanitizers and coverage add their own hidden helpers; everything else is ours.
  list(FILTER weak EXCLUDE REGEX "DW\\.ref\\.|__asan|__ubsan|__tsan")
  if(weak)
    message(FATAL_ERROR "weak symbols in ${object}: ${weak}")
  endif()
endforeach()
