// Where every trampoline calls when its system call has a handler.
//
// Relies on the trampoline's contract (trampoline.cpp):
//   rax  system call number           rcx  the handler, not null
//   r11  address after the site       rsp  return address into the trampoline, then the caller's red zone
// When carrier::due is set after the handler has answered, weft_patch_due is asked: not 0 has the handlers of signals run here; 2 in rdx
// (verdict::pass) has the call be made again afterwards.
// Gives back: rcx = 0 and the result in rax, or rcx != 0 and the number in rax, all other registers as they came.
// Must never touch a vector register, errno, or memory other than this stack.
//
// To an unwinder this is a signal frame whose "interrupted" pc is the address after the site: that address is looked up
// exactly, not minus one, and the walk goes on with libc's own tables. The trampoline in between needs no entry for that.

	.text
	.macro entry name, vectors
	.globl	\name, \name\()_leaving, \name\()_left, \name\()_interrupted
	.hidden	\name, \name\()_leaving, \name\()_left, \name\()_interrupted
	.type	\name, @function
	.p2align 5
\name:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 136
	.cfi_register rip, r11
	.cfi_same_value rbx
	.cfi_same_value rbp
	.cfi_same_value r12
	.cfi_same_value r13
	.cfi_same_value r14
	.cfi_same_value r15
	push	%r11
	.cfi_def_cfa_offset 144
	.cfi_offset rip, -144
	push	%rax
	push	$\vectors
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	.cfi_def_cfa_offset 208
	push	%rbp
	.cfi_def_cfa_offset 216
	.cfi_offset rbp, -216
	.cfi_offset rdi, -208
	.cfi_offset rsi, -200
	.cfi_offset rdx, -192
	.cfi_offset r10, -184
	.cfi_offset r8, -176
	.cfi_offset r9, -168
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	lea	8(%rsp), %rdi
	mov	%rax, %rsi
	and	$-16, %rsp
0:	call	*%rcx
	cmpl	$0, %gs:60	// carrier::due
\name\()_leaving:
	jne	2f
1:	mov	%rbp, %rsp
	.cfi_def_cfa_register rsp
	mov	%rdx, %rcx
	test	%rdx, %rdx
	cmovnz	64(%rsp), %rax
	pop	%rbp
	.cfi_def_cfa_offset 208
	.cfi_same_value rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	.cfi_def_cfa_offset 160
	.cfi_same_value rdi
	.cfi_same_value rsi
	.cfi_same_value rdx
	.cfi_same_value r10
	.cfi_same_value r8
	.cfi_same_value r9
	lea	24(%rsp), %rsp
	.cfi_def_cfa_offset 136
	.cfi_offset rip, -144	// in the red zone now, which a signal handler does not touch
	ret
\name\()_left:
	// Something came up inside Weft. The handler's answer is kept over it.
	.cfi_def_cfa rbp, 216
	.cfi_offset rip, -144
	.cfi_offset rbp, -216
	.cfi_offset rdi, -208
	.cfi_offset rsi, -200
	.cfi_offset rdx, -192
	.cfi_offset r10, -184
	.cfi_offset r8, -176
	.cfi_offset r9, -168
2:	push	%rax
	push	%rdx
3:	lea	8(%rbp), %rdi
	call	*weft_patch_due(%rip)
	test	%eax, %eax
	jz	4f
	// Handlers of signals are to run here, where all that a caller expects to be preserved is in its registers or above: Weft's own
	// signal, to this thread, has the kernel make the frame for them.
	mov	$234, %eax	// tgkill
	mov	weft_patch_self(%rip), %edi
	mov	weft_patch_self+4(%rip), %esi
	mov	$33, %edx
	syscall
\name\()_interrupted:
	jmp	3b
4:	pop	%rdx
	pop	%rax
	cmp	$2, %rdx
	jne	1b
	// The call is made again, by its handler.
	mov	64(%rbp), %rsi
	lea	weft_patch_handlers(%rip), %rcx
	mov	(%rcx,%rsi,8), %rcx
	lea	8(%rbp), %rdi
	jmp	0b
	.cfi_endproc
	.size	\name, .-\name
	.endm

	entry	weft_patch_entry, 1
	entry	weft_patch_entry_plain, 0

// The return stub of handlers of Weft's own (the stop signal, green threads' tick): exactly these bytes, by which libgcc knows a signal
// frame when nothing else tells. libc's own stub cannot serve: its text may be unfinished at that moment. gdb, which goes by the name
// of libc's stub, needs the table: the interrupted registers lie in the ucontext at the stack pointer.
	.macro	kept register, low, high
	.cfi_escape 0x10, \register, 3, 0x77, \low, \high	// DW_CFA_expression: DW_OP_breg7 (rsp) + offset, as two bytes
	.endm

	.globl	weft_patch_sigreturn
	.hidden	weft_patch_sigreturn
	.type	weft_patch_sigreturn, @function
	.p2align 4
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06	// DW_CFA_def_cfa_expression: the word at rsp + 160, the interrupted rsp
	kept	16, 0xa8, 0x01	// rip
	kept	0, 0x90, 0x01	// rax
	kept	1, 0x88, 0x01	// rdx
	kept	2, 0x98, 0x01	// rcx
	kept	3, 0x80, 0x01	// rbx
	kept	4, 0xf0, 0x00	// rsi
	kept	5, 0xe8, 0x00	// rdi
	kept	6, 0xf8, 0x00	// rbp
	kept	8, 0xa8, 0x00	// r8
	kept	9, 0xb0, 0x00	// r9
	kept	10, 0xb8, 0x00	// r10
	kept	11, 0xc0, 0x00	// r11
	kept	12, 0xc8, 0x00	// r12
	kept	13, 0xd0, 0x00	// r13
	kept	14, 0xd8, 0x00	// r14
	kept	15, 0xe0, 0x00	// r15
	nop	// unwinders look at pc - 1 first
weft_patch_sigreturn:
	mov	$15, %rax
	syscall
	.cfi_endproc
	.size	weft_patch_sigreturn, .-weft_patch_sigreturn

	.section .note.GNU-stack,"",@progbits
