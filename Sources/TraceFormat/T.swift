enum TraceFormat {}
