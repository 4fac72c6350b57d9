# Tcl's threads: an interpreter each, messages, shared variables, mutexes and condition variables.
package require Thread
set threads {}
for {set i 0} {$i < 10} {incr i} {
    lappend threads [thread::create -joinable { thread::wait }]
}
foreach t $threads {
    lappend sums [thread::send $t { set s 0; for {set k 0} {$k < 20000} {incr k} { incr s $k }; set s }]
}
puts $sums
tsv::set all count 0
foreach t $threads {
    thread::send -async $t { for {set k 0} {$k < 500} {incr k} { tsv::incr all count }; after 1; thread::id } done
}
for {set i 0} {$i < 10} {incr i} { vwait done }
puts [tsv::get all count]
set mutex [thread::mutex create]
set cond [thread::cond create]
tsv::set all ready 0
set waiting [lindex $threads 0]
thread::send -async $waiting [list apply {{mutex cond} {
    thread::mutex lock $mutex
    while {![tsv::get all ready]} { thread::cond wait $cond $mutex }
    thread::mutex unlock $mutex
    tsv::set all seen yes
}} $mutex $cond] over
thread::mutex lock $mutex
tsv::set all ready 1
thread::cond notify $cond
thread::mutex unlock $mutex
vwait over
puts [tsv::get all seen]
puts [exec sh -c {echo from a child}]
foreach t $threads { thread::release $t }
foreach t $threads { thread::join $t }
puts [catch { thread::send -async [lindex $threads 0] {puts never} }]
